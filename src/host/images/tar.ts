/** Writes ustar archives whose bytes depend on their content alone: no times, owners or order of the machine's files. */

export interface TarEntry {
  /** Without a leading slash; folders end with one. At most 255 bytes, its last part at most 100. */
  path: string;
  /** Permission bits, and the set-id and sticky bits. */
  mode: number;
  content?: Uint8Array;
  /** Target of a symbolic link. */
  symlink?: string;
  userId?: number;
  groupId?: number;
}

const blockBytes = 512;
const nameBytesMax = 100;
const prefixBytesMax = 155;

/** The archive in pieces; the content of a file is one of them, uncopied. */
export function* tarChunks(entries: Iterable<TarEntry>): Generator<Uint8Array> {
  for (const entry of entries) {
    const size = entry.content?.byteLength ?? 0;
    yield header(entry, size);
    if (entry.content && size > 0) {
      yield entry.content;
      if (size % blockBytes !== 0) yield Buffer.alloc(blockBytes - (size % blockBytes));
    }
  }
  yield Buffer.alloc(2 * blockBytes);
}

function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const { name, prefix } = splitPath(entry.path);
  block.write(name, 0);
  block.write(octal(entry.mode, 8), 100);
  block.write(octal(entry.userId ?? 0, 8), 108);
  block.write(octal(entry.groupId ?? 0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  block.write(typeFlag(entry), 156);
  block.write(entry.symlink ?? '', 157, nameBytesMax);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(prefix, 345);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function typeFlag(entry: TarEntry): string {
  if (entry.symlink !== undefined) return '2';
  return entry.path.endsWith('/') ? '5' : '0';
}

/** The field ends with a NUL. */
function octal(value: number, fieldBytes: number): string {
  const text = value.toString(8).padStart(fieldBytes - 1, '0');
  if (text.length >= fieldBytes) throw new RangeError(`${value} does not fit into a tar header`);
  return text;
}

function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= nameBytesMax) return { name: path, prefix: '' };
  for (let cut = path.indexOf('/'); cut > 0; cut = path.indexOf('/', cut + 1)) {
    const [prefix, name] = [path.slice(0, cut), path.slice(cut + 1)];
    if (Buffer.byteLength(name) <= nameBytesMax && name && Buffer.byteLength(prefix) <= prefixBytesMax)
      return { name, prefix };
  }
  throw new RangeError(`the path is too long for a tar archive: ${path}`);
}
