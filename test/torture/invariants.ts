import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { Db } from '../../src/persistence/index.js';
import { EXPECTED_OUTPUT } from './pipelines.js';

export interface Finding {
  readonly invariant: string;
  readonly seen: string;
  readonly violations: readonly string[];
}

/**
 * Triggers that write down, inside the database, every change of a build's status and of a step's outcome: what the server
 * says of itself later cannot hide them.
 */
const WITNESSES = `
create table witness (at timestamptz default clock_timestamp(), what text, build_id bigint, step_id text, before text, after text);
create function see_build() returns trigger language plpgsql as $$ begin
  if old.status is distinct from new.status then
    insert into witness (what, build_id, before, after) values ('status', new.id, old.status, new.status); end if;
  return new; end $$;
create function see_step() returns trigger language plpgsql as $$ begin
  if old.outcome is not null then
    insert into witness (what, build_id, step_id, before, after) values ('step', new.build_id, new.step_id, old.outcome, new.outcome); end if;
  return new; end $$;
create trigger see_build after update on builds for each row execute function see_build();
create trigger see_step after update on build_steps for each row execute function see_step();
`;

export interface Witnesses {
  readonly db: Db;
  countBuilds(): Promise<number>;
  untilNothingRuns(withinMs: number): Promise<void>;
}

export async function installWitnesses(url: string): Promise<Witnesses> {
  const db = await Db.connect(url);
  for (const statement of WITNESSES.split(/;\n(?=create|$)/)) if (statement.trim() !== '') await db.query(statement);
  const count = async (condition: string): Promise<number> => {
    const [row] = await db.query<{ n: number }>(`select count(*) as n from builds where ${condition}`);
    return row!.n;
  };
  return {
    db,
    countBuilds: () => count('true'),
    untilNothingRuns: async (withinMs) => {
      const end = Date.now() + withinMs;
      while ((await count(`status = 'started'`)) > 0) {
        if (Date.now() > end)
          throw new Error(`${await count(`status = 'started'`)} builds still run after ${withinMs} ms`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  };
}

/** Words in which a step tells that its container or its daemon was killed. */
const KILLED = '(ended from outside|daemon was restarted|container was removed|does not answer)';

/**
 * @param ledger has a line for each process that was started
 * @param killed handles of the steps whose container, or whose daemon, was killed: they may fail and tell less than all
 */
export async function checkInvariants(
  db: Db,
  ledger: string,
  killed: ReadonlySet<string> = new Set(),
): Promise<Finding[]> {
  const total = await db.query<{ status: string; n: number }>(
    `select status, count(*) as n from builds group by 1 order by 1`,
  );
  const builds = total.map((row) => `${row.n} ${row.status}`).join(', ');
  const list = async (sql: string): Promise<string[]> => (await db.query<{ text: string }>(sql)).map((row) => row.text);
  const runs = existsSync(ledger) ? readFileSync(ledger, 'utf8').trim().split('\n') : [];
  const twice = [...new Set(runs.filter((run, i) => runs.indexOf(run) !== i))];
  const allLogs = await db.query<{ build_id: number; step_id: string; handle: string; text: string }>(
    `select s.build_id, s.step_id, s.handle, coalesce(string_agg(e.data->>'payload', '' order by e.seq), '') as text
     from build_steps s
     join build_events f on f.build_id = s.build_id and f.event = 'finish-task' and f.data->'origin'->>'id' = s.step_id
     left join build_events e on e.build_id = s.build_id and e.event = 'log' and e.data->'origin'->>'id' = s.step_id
       and e.data->'origin'->>'source' = 'stdout' -- not what the server says of the step
     where s.outcome is not null group by 1, 2, 3`,
  );
  const logs = allLogs.filter(({ handle }) => !killed.has(handle));
  return [
    {
      invariant: 'there was work to disturb',
      seen: builds,
      violations:
        (total.find((row) => row.status === 'succeeded')?.n ?? 0) < 5 ? ['fewer than 5 builds succeeded'] : [],
    },
    {
      invariant: 'every build that started ended exactly once',
      seen: builds,
      violations: await list(
        `select 'build ' || b.id || ' (' || b.status || ') ended ' || count(w.*) || ' times' as text from builds b
         left join witness w on w.build_id = b.id and w.what = 'status' and w.after not in ('pending', 'started')
         where b.started_at is not null group by b.id having count(w.*) <> 1`,
      ),
    },
    {
      invariant: 'no build changed after its end',
      seen: builds,
      violations: await list(
        `select 'build ' || build_id || ' went from ' || before || ' to ' || after as text from witness
         where what = 'status' and before not in ('pending', 'started')`,
      ),
    },
    {
      invariant:
        'no build errored but for a killed container or daemon, which it says: a killed server is not the build’s fault',
      seen: builds,
      violations: await list(
        `select 'build ' || b.id || ' of ' || p.name || ': ' || coalesce((select string_agg(data->>'message', '; ') from build_events e
           where e.build_id = b.id and event = 'error'), 'no error event') as text
         from builds b join pipelines p on p.id = b.pipeline_id where b.status = 'errored' and b.job_id is not null
           and not (${killed.size > 0} and exists (select from build_events e where e.build_id = b.id and e.event = 'error'
             and e.data->>'message' ~ '${KILLED}'))`,
      ),
    },
    {
      invariant: 'no finished step was written again',
      seen: `${(await list(`select step_id as text from build_steps where outcome is not null`)).length} finished steps`,
      violations: await list(
        `select 'build ' || build_id || ' step ' || step_id || ': ' || before || ' then ' || after as text from witness where what = 'step'`,
      ),
    },
    { invariant: 'no task process was started twice', seen: `${runs.length} processes`, violations: twice },
    {
      invariant: 'no event sequence has a gap',
      seen: `${(await list(`select count(*)::text as text from build_events`))[0]} events`,
      violations: await list(
        `select 'build ' || b.id || ': next is ' || b.next_event_seq || ', events ' || count(e.*) as text from builds b
         left join build_events e on e.build_id = b.id group by b.id
         having count(e.*) <> b.next_event_seq or coalesce(max(e.seq), -1) + 1 <> count(e.*)`,
      ),
    },
    {
      invariant: 'every started build says so once, and its end once, last',
      seen: builds,
      violations: await list(
        `select 'build ' || b.id || ': ' || string_agg(e.data->>'status', ' ' order by e.seq) as text from builds b
         join build_events e on e.build_id = b.id and e.event = 'status'
         where b.started_at is not null and b.ended_at is not null group by b.id
         having string_agg(e.data->>'status', ' ' order by e.seq) <> 'started ' || b.status`,
      ),
    },
    {
      invariant: 'no byte of a task’s output is lost or doubled',
      seen: `${logs.length} logs of ${EXPECTED_OUTPUT.length} characters`,
      violations: logs
        .filter((log) => log.text !== EXPECTED_OUTPUT)
        .map(
          (log) =>
            `build ${log.build_id} step ${log.step_id}: ${log.text.length} characters instead of ${EXPECTED_OUTPUT.length}`,
        ),
    },
    {
      invariant: 'a pending build names what it waits for',
      seen: builds,
      violations: await list(
        `select 'build ' || b.id || ' of job ' || j.name as text from builds b join jobs j on j.id = b.job_id
         where b.status = 'pending' and j.blockers = '[]'`,
      ),
    },
  ];
}

/** @param found by the sweeps of so many lives of the server. */
export function neverWithoutReason({ lives, found }: { readonly lives: number; readonly found: number }): Finding {
  const violations = [
    ...(lives === 0 ? ['the server could never be asked'] : []),
    ...(found > 0 ? [`${found} pending builds had none`] : []),
  ];
  return { invariant: 'no pending build was ever without a reason', seen: `${found} in ${lives} lives`, violations };
}

/** Processes of steps that outlived their build (Linux only: read from /proc). */
export async function leftOverProcesses(dataDir: string): Promise<Finding> {
  const violations: string[] = [];
  if (existsSync('/proc/self/cwd')) {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        if (command.includes(`${dataDir}/steps/`)) violations.push(`${pid}: ${command.slice(0, 120)}`);
      } catch {
        // The process ended while we looked.
      }
    }
  }
  return { invariant: 'no process of a step is left', seen: 'read from /proc', violations };
}
