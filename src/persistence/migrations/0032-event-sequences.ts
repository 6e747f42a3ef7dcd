import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Event numbers are kept without a gap by one look per statement instead of a foreign key of each row to the one before. PostgreSQL
 * plans a foreign key's question once per connection: asked first while the table was small, it read the whole table for every
 * event until the next autovacuum. These triggers plan without sequential scans.
 */
export class EventSequences1763740832000 implements MigrationInterface {
  readonly name = 'EventSequences1763740832000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  /** Forward only: a released schema is never taken back. */
  async down(): Promise<void> {
    throw new Error('migrations are forward only; restore a backup to go back');
  }
}

/** A trigger function that looks at the `changed` rows of a statement. */
const looks = (name: string, body: string): string =>
  `create function ${name}() returns trigger language plpgsql set enable_seqscan = off as $$
    declare
      law constant text := 'event_sequences_have_no_gap';
      piece record;
    begin ${body} return null; end $$`;

const STATEMENTS = [
  // With it go the foreign key and its index.
  `alter table build_events drop column previous_seq`,
  // The lock keeps the event before from being removed meanwhile.
  looks(
    'refuse_events_behind_a_gap',
    `for piece in
       select build_id, min(seq) as first, max(seq) - min(seq) + 1 = count(*) as whole from changed group by build_id
     loop
       if piece.whole and piece.first > 0 then
         perform from build_events where build_id = piece.build_id and seq = piece.first - 1 for key share;
       end if;
       if not piece.whole or (piece.first > 0 and not found) then
         raise exception 'events of build % from % on would follow a gap', piece.build_id, piece.first
           using errcode = 'foreign_key_violation', constraint = law, table = 'build_events';
       end if;
     end loop;`,
  ),
  `create trigger no_events_behind_a_gap after insert on build_events
     referencing new table as changed for each statement execute function refuse_events_behind_a_gap()`,
  looks(
    'refuse_a_gap_before_events',
    `for piece in select build_id, min(seq) as first from changed group by build_id loop
       if exists (select from build_events where build_id = piece.build_id and seq > piece.first) then
         raise exception 'removing event % of build % would leave a gap', piece.first, piece.build_id
           using errcode = 'foreign_key_violation', constraint = law, table = 'build_events';
       end if;
     end loop;`,
  ),
  `create trigger no_gap_before_events after delete on build_events
     referencing old table as changed for each statement execute function refuse_a_gap_before_events()`,
  `create function refuse_renumbered_events() returns trigger language plpgsql as $$
    begin raise exception 'events keep their numbers' using constraint = 'event_sequences_have_no_gap'; end $$`,
  `create trigger events_keep_their_numbers before update of build_id, seq on build_events
     for each statement execute function refuse_renumbered_events()`,
];
