/** Holds an answer against a recorded one, by the rules for what newer versions may do differently. */

export interface Difference {
  path: string;
  expected: unknown;
  actual: unknown;
}

/** What is recorded must be in the answer; more may be there. */
export function differences(expected: unknown, actual: unknown): Difference[] {
  const found: Difference[] = [];
  compare(expected, alignedTable(expected, actual), '', found);
  return found;
}

interface Table {
  kind: string;
  columnDefinitions: { name: string; type: string }[];
  rows: { cells: unknown[] }[];
}

/** Newer versions have more columns: the answer's table in the columns of the recorded one. */
function alignedTable(expected: unknown, actual: unknown): unknown {
  if (!isTable(expected) || !isTable(actual)) return actual;
  const places = expected.columnDefinitions.map(({ name }) =>
    actual.columnDefinitions.findIndex((column) => column.name === name),
  );
  if (places.includes(-1)) return actual;
  return {
    ...actual,
    columnDefinitions: expected.columnDefinitions.map(({ name, type }, index) => ({
      ...actual.columnDefinitions[places[index]!]!,
      name,
      // Restarts became text, to say when the last one was.
      ...(name === 'Restarts' && { type }),
    })),
    rows: actual.rows.map((row) => ({
      ...row,
      cells: expected.columnDefinitions.map(({ name }, index) => {
        const cell = row.cells[places[index]!];
        if (name === 'Selector')
          return String(cell).replace('batch.kubernetes.io/controller-uid=', 'controller-uid=');
        return name === 'Restarts' ? Number(cell) : cell;
      }),
    })),
  };
}

function isTable(value: unknown): value is Table {
  return (value as Table | null)?.kind === 'Table' && Array.isArray((value as Table).rows);
}

function compare(expected: unknown, actual: unknown, path: string, found: Difference[]): void {
  if (typeof expected === 'string') {
    if (!textMatches(expected, actual, path)) found.push({ path, expected, actual });
    return;
  }
  if (Array.isArray(expected)) {
    compareLists(expected, actual, path, found);
    return;
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null || Array.isArray(actual)) {
      found.push({ path, expected, actual });
      return;
    }
    for (const [key, value] of Object.entries(expected)) {
      const name = renamedKeys[key] ?? key;
      const other = (actual as Record<string, unknown>)[name] ?? (actual as Record<string, unknown>)[key];
      compare(value, other, path ? `${path}.${key}` : key, found);
    }
    return;
  }
  if (expected !== actual && !(expected === null && actual === undefined))
    found.push({ path, expected, actual });
}

/** Keys of labels and selectors that have another name today. */
const renamedKeys: Readonly<Record<string, string>> = {
  'controller-uid': 'batch.kubernetes.io/controller-uid',
  'job-name': 'batch.kubernetes.io/job-name',
};

/** Lists that are sets, or that are longer in newer versions: matched by what identifies their items. */
const setLists: Readonly<Record<string, readonly string[]>> = {
  'details.causes': ['field', 'message'],
  resources: ['name'],
  groups: ['name'],
  versions: ['groupVersion'],
  verbs: [],
  shortNames: [],
  categories: [],
  columnDefinitions: ['name'],
};

function compareLists(expected: unknown[], actual: unknown, path: string, found: Difference[]): void {
  if (!Array.isArray(actual)) {
    found.push({ path, expected, actual });
    return;
  }
  const listName = path.startsWith('details.causes')
    ? 'details.causes'
    : path
        .split('.')
        .at(-1)!
        .replace(/\[\d+\]$/, '');
  const isSet = listName in setLists && !path.startsWith('spec.') && !path.startsWith('rules');
  if (!isSet && actual.length !== expected.length) {
    found.push({ path: `${path}.length`, expected: expected.length, actual: actual.length });
    return;
  }
  for (const [index, item] of expected.entries()) {
    const at = `${path}[${index}]`;
    if (!isSet) {
      compare(item, actual[index], at, found);
      continue;
    }
    if (actual.some((other) => differences2(item, other, path).length === 0)) continue;
    const keys = setLists[listName]!;
    const near = actual.find((other) => keys.length > 0 && field(other, keys[0]!) === field(item, keys[0]!));
    if (near === undefined) found.push({ path: at, expected: item, actual });
    else compare(item, near, at, found);
  }
}

function differences2(expected: unknown, actual: unknown, path: string): Difference[] {
  const found: Difference[] = [];
  compare(expected, actual, path, found);
  return found;
}

function field(value: unknown, key: string): unknown {
  return (value as Record<string, unknown> | null)?.[key];
}

const placeholder = /<(uid|time|rv|ip|port|suffix|token|continue|age|pointer|object|any|hash)>/g;

function textMatches(expected: string, actual: unknown, path: string): boolean {
  if (typeof actual === 'number' && /^<(port|rv|age|any)>$/.test(expected)) return true;
  if (/^<[a-z]+>$/.test(expected)) return actual !== undefined && actual !== null;
  if (typeof actual !== 'string') return false;
  // The restarts of pods are text today: when the last one was stands beside their number.
  if (expected === 'integer' && actual === 'string' && path.includes('columnDefinitions')) return true;
  // Ages in tables depend on how fast the case ran.
  if (/\.cells\[\d+\]$/.test(path) && isAge(expected) && isAge(actual)) return true;
  // Discovery left the singular empty once.
  if (expected === '' && path.endsWith('singularName')) return true;
  if (expected === actual || patternOf(expected).test(actual)) return true;
  if (path.endsWith('message')) return messageMatches(expected, actual);
  return false;
}

function isAge(text: string): boolean {
  return /^(\d+[smhdy])+$/.test(text);
}

function patternOf(expected: string): RegExp {
  const text = expected
    .split(placeholder)
    .map((part, index) => (index % 2 === 1 ? '[\\s\\S]*?' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('');
  return new RegExp(`^${text}$`);
}

/** Parsers of other languages word their errors otherwise: only what stands before them counts. */
const parserErrors = [
  /cannot be handled as a/,
  /unable to parse requirement/,
  /unrecognized \(must be of type/,
  /unable to decode/,
  /invalid character/,
  /json: /,
  /yaml: /,
  /strconv\./,
  /cannot unmarshal/,
  /found '.*', expected/,
  /\[SPEC\]|couldn't parse the selector string/,
  /Internal error occurred/,
  /parsing time/,
  /unable to parse/,
  /quantities must match/,
  /v1\.[A-Z]\w+\./,
];

function messageMatches(expected: string, actual: string): boolean {
  if (sameShape(expected, actual)) return true;
  for (const pattern of parserErrors) {
    const at = expected.search(pattern);
    if (at < 0) continue;
    const before = normalized(expected.slice(0, at).trimEnd());
    if (before === '' || normalized(actual).startsWith(before)) return true;
  }
  return false;
}

function sameShape(expected: string, actual: string): boolean {
  const left = normalized(expected);
  const right = normalized(actual);
  return left === right || patternOf(left).test(right);
}

/** Bad values, lists of supported values, and words that changed are all brought to one form. */
function normalized(message: string): string {
  return message
    .replace(/(may not change fields other than|is immutable after creation)[\s\S]*$/, '$1 …')
    .replace(/Invalid value: [\s\S]*?: field is immutable/g, 'Invalid value: <v>: field is immutable')
    .replace(
      /(Invalid value|Duplicate value|Not found|Unsupported value): ((?:\[\]|map\[|core\.|v1\.|\{|&|[a-z]+\.)[\s\S]*?)(?=: [a-z`]|$|, [a-z]+\.|\]$)/g,
      '$1: <v>',
    )
    .replace(
      /(Invalid value|Duplicate value|Not found|Unsupported value): ("(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{.*?\}|-?[\w.]+|<[a-z]+>)/g,
      '$1: <v>',
    )
    .replace(/supported values: .*?(?=\]?$|, [a-z]+\.)/g, 'supported values: <list>')
    .replace(/must have at most (\d+) (bytes|characters)/g, 'may not be more than $1 bytes')
    .replace(/may not be longer than (\d+)/g, 'may not be more than $1 bytes')
    .replace(/expected exactly 5 fields, found \d+: .*/g, '<cron>')
    .replace(/Expected exactly 5 fields, found \d+: .*/g, '<cron>')
    .replace(/, \(e\.g\.[^)]*\)/g, ' (e.g.)')
    .replace(
      /must be less than or equal to (cpu|memory|[\w.-]+) limit( of \S+)?/g,
      'must be less than or equal to $1 limit',
    )
    .replace(/updates to .* other than .*? are forbidden/g, 'updates other than these are forbidden');
}

/** Mistakes of the client that were once answered with 500 may be answered with 4xx. */
export function statusMatches(expected: number, actual: number): boolean {
  return expected === actual || (expected === 500 && actual >= 400 && actual < 500);
}
