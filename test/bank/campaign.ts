/**
 * `npm run campaign [-- CUTS] [--only WORDS]`: cuts the bank on two engines, boots every pair of backups and judges it, over every
 * combination of storage, method and durability. Each result is a line in .cache/campaign.ndjson as it comes: killed, it
 * goes on where it was; `--fresh` begins anew. At the end, and with `--report` alone, it writes docs/one-instant.md.
 */
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { Ndjson } from '../support/ndjson.ts';
import { COMBINATIONS, type Combination, type Line, nameOf, report } from './campaign-report.ts';
import { makeCutter } from './cut.ts';
import { startBank } from './servers.ts';
import { startTransfers } from './transfers.ts';

const results = new Ndjson<Line>(fileURLToPath(new URL('../../.cache/campaign.ndjson', import.meta.url)));
const PAGE = fileURLToPath(new URL('../../docs/one-instant.md', import.meta.url));
/** The tables grow with every cut; new servers keep the cuts alike. */
const CUTS_PER_BANK = 13;

async function run(combination: Combination, cuts: number, commit: string): Promise<void> {
  await using bank = await startBank(combination);
  await using cutter = await makeCutter(bank);
  await using transfers = startTransfers({ addresses: bank.addresses, clerks: 6, pause: 4 });
  for (let n = 0; n < cuts; n++) {
    await sleep(200 + Math.random() * 400);
    const { manifest, books, missing, due, differences } = await cutter.cut(transfers, {
      methods: combination.methods,
      onOverrun: 'downgrade',
    });
    const line: Line = {
      combination: nameOf(combination),
      at: manifest.started,
      commit,
      claimed: manifest.coordination.claimed,
      reasons: manifest.coordination.reasons.map((it) => it.code),
      held: Object.fromEntries(Object.entries(manifest.window?.held ?? {}).map(([name, it]) => [name, it.held.millis])),
      due,
      missing,
      uncaused: books.uncaused.length,
      torn: books.torn.length,
      off: books.total - books.opening,
      differences: differences.length,
    };
    await results.append(line);
    process.stdout.write(
      `${line.combination}: ${line.claimed ? 'one instant' : `not one instant (${line.reasons.join(', ')})`}, ${due} due, ${missing} missing, ${line.uncaused} uncaused\n`,
    );
  }
}

const { values, positionals } = parseArgs({
  options: { fresh: { type: 'boolean' }, report: { type: 'boolean' }, only: { type: 'string', default: '' } },
  allowPositionals: true,
});
const wanted = Math.ceil(Number(positionals[0] ?? 200) / COMBINATIONS.length);
if (values.fresh) await results.remove();
process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
if (!values.report) {
  const { stdout: commit } = await execa('git', ['rev-parse', '--short', 'HEAD'], { cwd: dirname(PAGE) });
  const left = async (of: Combination): Promise<number> =>
    wanted - (await results.read()).filter((it) => it.combination === nameOf(of)).length;
  // Round by round, so that what is there of a campaign that was cut short is of every kind.
  for (let open = true; open; ) {
    open = false;
    for (const combination of COMBINATIONS.filter((it) => nameOf(it).includes(values.only))) {
      const cuts = Math.min(CUTS_PER_BANK, await left(combination));
      if (cuts <= 0) continue;
      open = true;
      await run(combination, cuts, commit);
    }
  }
}
const lines = await results.read();
await writeFile(PAGE, report(lines));
process.stdout.write(report(lines));
process.exitCode = lines.every((it) => it.missing + it.uncaused + it.torn + it.differences === 0) ? 0 : 1;
