import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { format } from 'prettier';
import { painter, type Io } from './io.js';
import { cliReference, leaves } from './reference.js';
import { program } from './run.js';

const PAGE = 'docs/reference/cli.md';
const weir = program({
  io: { hasColours: false } as Io,
  paint: painter({ hasColours: false }),
  exitCode: 0,
  isJson: false,
  connect: () => Promise.reject(new Error('there is no server here')),
  connectTo: () => Promise.reject(new Error('there is no server here')),
});

/** fly's commands of the versions we speak with, with their short names. */
const OF_FLY = `login l, logout o, status, userinfo, targets ts, edit-target etg, delete-target dtg, completion, sync s,
  set-pipeline sp, get-pipeline gp, validate-pipeline vp, format-pipeline fp, pipelines ps, pause-pipeline pp,
  unpause-pipeline up, expose-pipeline ep, hide-pipeline hp, destroy-pipeline dp, archive-pipeline ap, rename-pipeline rp,
  order-pipelines op, order-instanced-pipelines oip, paused-pipelines pps, paused-jobs pjs, jobs js, trigger-job tj,
  pause-job pj, unpause-job uj, schedule-job sj, builds bs, watch w, abort-build ab, rerun-build rb, execute e, hijack,
  intercept i, containers cs, volumes vs, resources rs, resource-versions rvs, check-resource cr, check-resource-type crt,
  pin-resource pr, unpin-resource ur, enable-resource-version erv, disable-resource-version drv, clear-task-cache ctc,
  clear-resource-cache crc, clear-versions cv, teams t, get-team gt, set-team st, rename-team rt, destroy-team dt,
  active-users au, workers ws, land-worker lw, prune-worker pw, get-wall gw, set-wall sw, clear-wall cw, health,
  get-components gc, curl c`;

it('the page of the manual is what the commands say ("npm run docs:cli" writes it)', async () => {
  const page = await format(cliReference(weir), { parser: 'markdown' });
  if (process.argv.includes('-u')) writeFileSync(PAGE, page);
  expect(existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '').toBe(page);
});

it.each(OF_FLY.split(/,\s+/))('knows what fly calls %s', (names) => {
  const [name = '', ...short] = names.split(' ');
  const found = weir.commands.find((command) => [command.name(), ...command.aliases()].includes(name));
  expect(found?.aliases().concat(found.name())).toEqual(expect.arrayContaining([name, ...short]));
});

it('no two commands have one name, and no option stands twice', () => {
  const names = weir.commands.flatMap((command) => [command.name(), ...command.aliases()]);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  for (const command of leaves(weir)) {
    const flags = [...command.options, ...weir.options]
      .flatMap(({ short, long }) => [short, long])
      .filter((flag) => flag);
    expect([command.name(), flags.filter((flag, i) => flags.indexOf(flag) !== i)]).toEqual([command.name(), []]);
  }
});

it('every command says what it does', () => {
  for (const command of leaves(weir).filter((each) => !each.name().startsWith('_')))
    expect([command.name(), command.description()]).toEqual([command.name(), expect.stringMatching(/.{10}/)]);
});
