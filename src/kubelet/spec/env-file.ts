/**
 * Files of variables that an init container leaves for others: lines of `NAME='value'`, where the value stands between
 * single quotes as it is, line ends included. Blank lines and lines that begin with `#` mean nothing.
 */

/** @throws Error where the text is none of that, up to the variable that is looked for */
export function variableInFile(text: string, name: string): string | undefined {
  const assignment = /[ \t]*([^=\s#][^=\s]*)[ \t]*=[ \t]*'([^']*)'[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y;
  const nothing = /[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y;
  for (let position = 0; position < text.length; ) {
    nothing.lastIndex = position;
    if (nothing.test(text)) {
      position = nothing.lastIndex;
      continue;
    }
    assignment.lastIndex = position;
    const found = assignment.exec(text);
    if (!found) {
      const line = text.slice(0, position).split('\n').length;
      throw new Error(`invalid environment variable format at line ${line}`);
    }
    if (found[1] === name) return found[2];
    position = assignment.lastIndex;
  }
  return undefined;
}
