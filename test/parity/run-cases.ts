/** Runs many cases: each in a namespace of its own, several at a time, those that disturb others alone. */
import type { ParityCase } from './cases.ts';
import type { RawClient } from './https-client.ts';
import { knownDifferences } from './known-differences.ts';
import { type CaseResult, runCase } from './runner.ts';

const casesAtOnce = 8;

/** Cases that newer versions answer otherwise are left out. */
export async function runCases(client: RawClient, all: readonly ParityCase[]): Promise<CaseResult[]> {
  const cases = all.filter(({ id }) => !(id in knownDifferences));
  const results = new Map<string, CaseResult>();
  let serial = 0;
  const run = async (testCase: ParityCase): Promise<void> => {
    const namespace = `parity-${++serial}`;
    try {
      results.set(testCase.id, await runCase(client, testCase, namespace));
    } catch (error) {
      results.set(testCase.id, {
        id: testCase.id,
        area: testCase.area,
        problems: [`runner: ${String(error)}`],
      });
    }
  };
  // Reviews ask what users may do, and other cases grant rights to users of the same names.
  for (const testCase of cases) if (isReview(testCase)) await run(testCase);
  const together = cases.filter((testCase) => !testCase.serial && !isReview(testCase));
  const next = async (): Promise<void> => {
    for (let testCase = together.shift(); testCase; testCase = together.shift()) await run(testCase);
  };
  await Promise.all(Array.from({ length: casesAtOnce }, next));
  for (const testCase of cases) if (testCase.serial) await run(testCase);
  return cases.map(({ id }) => results.get(id)!);
}

function isReview({ request }: ParityCase): boolean {
  return request.path.startsWith('/apis/authorization.k8s.io/');
}
