/** `node test/parity/report.ts [-v] [text in the id or area]`: how many recorded cases agree, by area, and what does not. */
import { loadCases } from './cases.ts';
import { runCases } from './run-cases.ts';
import { startParityServer } from './server.ts';

const verbose = process.argv.includes('-v');
const filter = process.argv.slice(2).find((argument) => !argument.startsWith('-')) ?? '';

const server = await startParityServer((line) => process.stderr.write(line));
const cases = loadCases().filter(({ id, area }) => area === filter || id.includes(filter));
const results = await runCases(server.client, cases);
await server.close();

const areas = new Map<string, { passed: number; total: number }>();
for (const { id, area, problems } of results) {
  const entry = areas.get(area) ?? { passed: 0, total: 0 };
  areas.set(area, entry);
  entry.total++;
  if (problems.length === 0) entry.passed++;
  else if (verbose || filter) console.log(`${id}\n    ${problems.slice(0, 6).join('\n    ')}`);
  else console.log(id);
}
let passed = 0;
for (const [area, entry] of areas) {
  passed += entry.passed;
  console.log(`${area.padEnd(14)} ${entry.passed}/${entry.total}`);
}
console.log(`${'all'.padEnd(14)} ${passed}/${results.length}`);
