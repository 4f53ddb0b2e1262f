/** A reporter for Node's test runner: prints the files that have a failed test, or that ended before they reported any. */
import { resolve } from 'node:path';

// biome-ignore lint/style/noDefaultExport: the test runner takes a reporter by its default export.
export default async function* failedFiles(events) {
  for await (const { type, data } of events) {
    if (type === 'test:summary' && data.file && !data.success) yield `${data.file}\n`;
    // Where its test stands is not always the file that was run: only a file as a whole has its own path for a name.
    if (type === 'test:fail' && data.file === resolve(data.name)) yield `${data.file}\n`;
    // Files that share a process cannot be told apart otherwise.
    if (type === 'test:fail' && !data.entryFile) yield `${data.file}\n`;
  }
}
