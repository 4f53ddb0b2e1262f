/**
 * Files of variables that an init container writes for others: lines of `NAME='value'`, where the value is literal
 * between single quotes, line breaks included. Blank lines and lines that begin with `#` are ignored.
 */

/** @throws Error where the text has another form, up to the requested variable */
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
