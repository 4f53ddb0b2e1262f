/**
 * The program that holds a pod's namespaces: it sleeps until SIGTERM or SIGINT, and leaves reaping to the kernel.
 * It is assembled here, so that no compiler is needed: an ELF file of one segment, without a library.
 */

const loadAddress = 0x400000;
const headerBytes = 64;
const programHeaderBytes = 56;
const codeOffset = headerBytes + programHeaderBytes;

/** SIGINT (2) and SIGTERM (15) as a signal set. */
const endingSignals = 0x4002;
const signalChild = 17;
const signalSetBytes = 8;

/** struct sigaction of the kernel: SIG_IGN with SA_NOCLDWAIT, so that children vanish when they end; no mask. */
const ignoreChildren = words64(1, 2, 0, 0);

export function pauseProgram(architecture: string): Buffer {
  if (architecture === 'amd64') return elf(62, amd64Code());
  if (architecture === 'arm64') return elf(183, arm64Code());
  throw new Error(`no pause program for processors of type ${architecture}`);
}

/** rt_sigaction, rt_sigprocmask, then rt_sigtimedwait until it returns a signal, then exit(0). */
function amd64Code(): Buffer {
  const instructions = (setAddress: number, actionAddress: number) => {
    const syscall = [0x0f, 0x05];
    /** mov of a 32-bit constant to a register: eax b8, edx ba, esi be, edi bf; r10d takes a prefix. */
    const set = (opcode: number, value: number) => [opcode, ...bytes32(value)];
    const call = (number: number, [rdi, rsi, rdx]: [number, number, number]) => [
      ...set(0xb8, number),
      ...set(0xbf, rdi),
      ...set(0xbe, rsi),
      ...set(0xba, rdx),
      0x41,
      ...set(0xba, signalSetBytes),
      ...syscall,
    ];
    const prepare = [...call(13, [signalChild, actionAddress, 0]), ...call(14, [0, setAddress, 0])];
    const wait = [...call(128, [setAddress, 0, 0]), 0x85, 0xc0 /* test eax,eax */];
    const back = [0x78, 0x100 - (wait.length + 2)]; /* js: interrupted, wait again */
    return Buffer.from([...prepare, ...wait, ...back, ...call(60, [0, 0, 0])]);
  };
  return withData(instructions);
}

function arm64Code(): Buffer {
  const instructions = (setAddress: number, actionAddress: number) => {
    /** movz and movk: a 32-bit constant to register x`register`. */
    const set = (register: number, value: number) => [
      0xd2800000 + (value & 0xffff) * 32 + register,
      0xf2a00000 + (value >>> 16) * 32 + register,
    ];
    const call = (number: number, [x0, x1, x2]: [number, number, number]) => [
      ...set(0, x0),
      ...set(1, x1),
      ...set(2, x2),
      ...set(3, signalSetBytes),
      ...set(8, number),
      0xd4000001 /* svc #0 */,
    ];
    const prepare = [...call(134, [signalChild, actionAddress, 0]), ...call(135, [0, setAddress, 0])];
    const wait = call(137, [setAddress, 0, 0]);
    const back = 0x37f80000 + (0x4000 - wait.length) * 32; /* tbnz w0,#31: interrupted, wait again */
    return words32([...prepare, ...wait, back, ...call(93, [0, 0, 0])]);
  };
  return withData(instructions);
}

/** The code followed by its data; the code's length does not depend on the addresses. */
function withData(instructions: (setAddress: number, actionAddress: number) => Buffer): Buffer {
  const codeBytes = Math.ceil(instructions(0, 0).byteLength / 8) * 8;
  const setAddress = loadAddress + codeOffset + codeBytes;
  const code = Buffer.alloc(codeBytes);
  instructions(setAddress, setAddress + 8).copy(code);
  return Buffer.concat([code, words64(endingSignals), ignoreChildren]);
}

function elf(machine: number, code: Buffer): Buffer {
  const size = codeOffset + code.byteLength;
  const header = Buffer.alloc(codeOffset);
  header.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  header.writeUInt16LE(2, 16); // an executable
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(loadAddress + codeOffset), 24); // entry
  header.writeBigUInt64LE(BigInt(headerBytes), 32); // where the program header is
  header.writeUInt16LE(headerBytes, 52);
  header.writeUInt16LE(programHeaderBytes, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt16LE(64, 58); // size of a section header, of which there is none
  header.writeUInt32LE(1, headerBytes); // a segment to load
  header.writeUInt32LE(5, headerBytes + 4); // readable and executable
  header.writeBigUInt64LE(BigInt(loadAddress), headerBytes + 16);
  header.writeBigUInt64LE(BigInt(loadAddress), headerBytes + 24);
  header.writeBigUInt64LE(BigInt(size), headerBytes + 32);
  header.writeBigUInt64LE(BigInt(size), headerBytes + 40);
  header.writeBigUInt64LE(0x1000n, headerBytes + 48); // alignment
  return Buffer.concat([header, code]);
}

function bytes32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

function words32(values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap(bytes32));
}

function words64(...values: number[]): Buffer {
  return Buffer.from(BigUint64Array.from(values.map(BigInt)).buffer);
}
