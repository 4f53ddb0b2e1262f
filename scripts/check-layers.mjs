/**
 * Fails when a file imports from a layer that its own may not know, when the product imports what is only for tests, or
 * when imports form a cycle (types, and what is loaded later, aside).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../src/', import.meta.url));

/** Which layers a layer may import; every layer may import itself. The table of docs/ARCHITECTURE.md. */
const mayImport = {
  base: [],
  api: ['base'],
  storage: ['base'],
  client: ['base', 'api'],
  apiserver: ['base', 'api', 'storage', 'client'],
  controllers: ['base', 'api', 'client'],
  scheduler: ['base', 'api', 'client'],
  kubelet: ['base', 'api', 'client'],
  network: ['base', 'api', 'client'],
  host: ['base', 'api', 'client'],
};
mayImport.cli = Object.keys(mayImport);
mayImport.cmd = Object.keys(mayImport);

const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name));

const importPattern = /^(?:import|export)\s+(type\s+)?[^'"]*?from\s+'(\.[^']+)'|^import\s+'(\.[^']+)'/gm;
/** Also of types: `typeof import('…')`. */
const laterImportPattern = /\bimport\('(\.[^']+)'\)/g;
const testPattern = /\.(test|contract)\.ts$/;
const onlyForTestsPattern = /\.(test|contract|fake|fixture)\.ts$/;
const problems = [];
const graph = new Map();

for (const file of files) {
  const layer = relative(root, file).split('/')[0];
  if (!mayImport[layer]) {
    problems.push(`${relative(root, file)}: the folder ${layer} is not in the table of layers`);
    continue;
  }
  const text = readFileSync(file, 'utf8');
  const runtimeImports = [];
  for (const [, typeOnly, from, bare] of text.matchAll(importPattern)) {
    const target = resolve(dirname(file), from ?? bare);
    checkImport(file, target);
    if (!typeOnly) runtimeImports.push(target);
  }
  for (const [, from] of text.matchAll(laterImportPattern)) checkImport(file, resolve(dirname(file), from));
  graph.set(file, runtimeImports);
}

function checkImport(file, target) {
  const [name, inside] = [relative(root, file), relative(root, target)];
  const [layer, targetLayer] = [name.split('/')[0], inside.split('/')[0]];
  if (onlyForTestsPattern.test(target) && !onlyForTestsPattern.test(file))
    problems.push(`${name} imports ${inside}, which is only for tests`);
  if (testPattern.test(file)) return;
  if (inside.startsWith('..')) {
    if (!target.includes('/package.json')) problems.push(`${name} imports ${inside}, outside src`);
  } else if (targetLayer !== layer && !mayImport[layer].includes(targetLayer)) {
    problems.push(`${name} (${layer}) may not import ${inside} (${targetLayer})`);
  }
}

const state = new Map();
function visit(file, path) {
  if (state.get(file) === 'done') return;
  if (state.get(file) === 'open') {
    const cycle = [...path.slice(path.indexOf(file)), file].map((entry) => relative(root, entry));
    problems.push(`cycle: ${cycle.join(' → ')}`);
    return;
  }
  state.set(file, 'open');
  for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
  state.set(file, 'done');
}
for (const file of graph.keys()) visit(file, []);

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`layers: ${files.length} files, no forbidden import, no cycle`);
