/** JSON for people: indented where the client asks for it or is one that shows answers as they come. */
import { isTrue } from '../../../base/text/query-boolean.ts';
import type { ApiRequest } from '../../request.ts';
import type { Encoded } from './encode.ts';
import { contentTypes } from './negotiate.ts';

/** Browsers and the usual programs for trying a URL, as upstream takes them. */
const readers = ['curl', 'Wget', 'Mozilla/5.0'];

export function wantsPretty(request: Pick<ApiRequest, 'query' | 'header'>): boolean {
  const asked = request.query.get('pretty');
  if (asked) return isTrue(asked);
  const agent = request.header('user-agent') ?? '';
  return readers.some((reader) => agent.startsWith(reader));
}

/** The answer as this client likes it. */
export function prettyFor(request: Pick<ApiRequest, 'query' | 'header'>, encoded: Encoded): Encoded {
  if (encoded.contentType !== contentTypes.json || !wantsPretty(request)) return encoded;
  return { ...encoded, body: Buffer.from(indentJson(encoded.body.toString())) };
}

/** Works on the text, so that numbers and the order of fields stay what they are. `json` has no spaces outside of strings. */
export function indentJson(json: string): string {
  let depth = 0;
  return json.trimEnd().replace(/"(?:[^"\\]|\\.)*"|\{\}|\[\]|[{}[\],:]/g, (token) => {
    switch (token) {
      case '{':
      case '[':
        return `${token}${lineAt(++depth)}`;
      case '}':
      case ']':
        return `${lineAt(--depth)}${token}`;
      case ',':
        return `,${lineAt(depth)}`;
      case ':':
        return ': ';
      default:
        return token;
    }
  });
}

function lineAt(depth: number): string {
  return `\n${'  '.repeat(depth)}`;
}
