/**
 * A reporter for Node's test runner: prints the files that have a failed test, one a line, each as often as it failed.
 * A suite that fails only through its tests is not counted beside them.
 */
// biome-ignore lint/style/noDefaultExport: the test runner takes a reporter by its default export.
export default async function* failedFiles(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:fail' || data.details?.error?.failureType === 'subtestsFailed') continue;
    if (data.todo !== undefined || data.skip !== undefined) continue;
    yield `${data.file ?? data.name}\n`;
  }
}
