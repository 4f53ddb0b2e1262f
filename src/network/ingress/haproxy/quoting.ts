/** Text in the languages of HAProxy's files. */

/** A word of HAProxy's configuration that stands for exactly these characters; `%` would begin an expression. */
export function quote(text: string): string {
  return `'${text.replaceAll('%', '%%').replaceAll("'", "'\\''")}'`;
}

export function luaString(text: string): string {
  return `"${text.replaceAll(/[\\"\n\r]/g, (character) => `\\${character.charCodeAt(0).toString().padStart(3, '0')}`)}"`;
}
