/**
 * Loads modules without their types from a folder of files, which are made of those that are missing or have changed.
 * Preloaded (`--import`) by the processes that stay, with the folder in `WHERRY_STRIPPED_MODULES`: Node's own compile
 * cache is held in memory for as long as a process lives, 6 MB by an agent and 11 MB by a server. Plain JavaScript, as
 * it is what makes the rest loadable. Workers run it, too.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { threadId } from 'node:worker_threads';

const folder = process.env.WHERRY_STRIPPED_MODULES;
if (folder) {
  registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context);
      return { format: 'module', source: stripped(folder, fileURLToPath(url)), shortCircuit: true };
    },
  });
}

/**
 * @param {string} into
 * @param {string} path
 */
function stripped(into, path) {
  const { size, mtimeMs } = statSync(path);
  // At the end, where it moves no line.
  const mark = `\n// of ${size} bytes, ${mtimeMs}\n`;
  const file = join(
    into,
    `${basename(path)}-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`,
  );
  const known = readIfThere(file);
  if (known?.endsWith(mark)) return known;
  const source = stripTypeScriptTypes(readFileSync(path, 'utf8')) + mark;
  keep(file, source);
  return source;
}

let isTold = false;

/** @param {string} file */
function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Whatever the reason: the source has the same.
    return undefined;
  }
}

/**
 * Whole, or not at all: other processes read it meanwhile.
 * @param {string} file
 * @param {string} source
 */
function keep(file, source) {
  const unfinished = join(dirname(file), `.${process.pid}-${threadId}-${basename(file)}`);
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(unfinished, source);
    renameSync(unfinished, file);
  } catch (error) {
    // The program runs without, and the next process tries again. One word of it is enough.
    if (!isTold) process.emitWarning(`stripped modules cannot be kept: ${error.message}`);
    isTold = true;
  }
}
