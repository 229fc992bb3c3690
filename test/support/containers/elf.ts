/** Tiny static programs for x86-64 Linux, for what a shell cannot do: system calls of its own choice, threads. */

/** A program that makes one system call and exits with the number of its error, or 0. */
export function systemCall(number: number, ...args: readonly number[]): Uint8Array {
  const [rdi = 0, rsi = 0, rdx = 0] = args;
  const code = [
    ...[0xbf, ...int32(rdi)], // mov edi, …
    ...[0xbe, ...int32(rsi)], // mov esi, …
    ...[0xba, ...int32(rdx)], // mov edx, …
    ...[0x4d, 0x31, 0xd2, 0x4d, 0x31, 0xc0, 0x4d, 0x31, 0xc9], // xor r10, r8, r9
    ...[0xb8, ...int32(number), 0x0f, 0x05], // mov eax, number; syscall
    ...end,
  ];
  return elf(code);
}

/** A program that makes a unix socket of a name in its directory; it exits with the number of an error, or 0. */
export function socketAt(name: string): Uint8Array {
  const address = [1, 0, ...Buffer.from(name), 0]; // sockaddr_un: AF_UNIX, path
  const socket = [0xbf, ...int32(1), 0xbe, ...int32(1), 0x31, 0xd2, 0xb8, ...int32(41), 0x0f, 0x05];
  const bind = [
    ...[0x89, 0xc7, 0x48, 0x8d, 0x35], // mov edi, eax; lea rsi, [rip + …]
    ...int32(5 + 5 + 2 + end.length), // from behind this instruction to the address
    ...[0xba, ...int32(address.length), 0xb8, ...int32(49), 0x0f, 0x05], // mov edx, length; mov eax, bind; syscall
  ];
  return elf([...socket, ...bind, ...end, ...address]);
}

/** A program that starts 10,000 threads which sleep; it exits with the number of the error that stopped it, or 0. */
export function threadBomb(): Uint8Array {
  const flags = 0x10f00; // CLONE_VM, FS, FILES, SIGHAND and THREAD
  const clone = [
    ...[0xbf, ...int32(flags), 0x31, 0xf6, 0x31, 0xd2, 0x4d, 0x31, 0xd2, 0x4d, 0x31, 0xc0],
    ...[0xb8, ...int32(56), 0x0f, 0x05], // clone
  ];
  const sleep = [0xb8, ...int32(34), 0x0f, 0x05, 0xeb, 0xf7]; // pause; again
  const onChild = [0x48, 0x85, 0xc0, 0x75, sleep.length, ...sleep]; // test rax, rax; jnz over sleep
  const again = [0x41, 0xff, 0xc4, 0x41, 0x81, 0xfc, ...int32(10_000)]; // inc r12d; cmp r12d, 10000
  const length = clone.length + onChild.length + 2 + again.length + 2;
  const body = [...clone, ...onChild, 0x78, again.length + 2, ...again, 0x7c, 256 - length]; // jl to the start
  return elf([0x45, 0x31, 0xe4, ...body, ...end]); // xor r12d, r12d
}

/**
 * A program that makes one system call again and again until it is refused, 10,000 times at most, and keeps what it got.
 * It writes 16 bytes to stdout, how often the call succeeded and the number of its error or 0, and sleeps. The first
 * argument of the call may be a text.
 */
export function untilRefused(number: number, first: number | string, second = 0): Uint8Array {
  const tell = [
    ...[0x48, 0xf7, 0xd8, 0x50, 0x41, 0x54], // neg rax; push rax; push r12
    ...[0xbf, ...int32(1), 0x48, 0x89, 0xe6, 0xba, ...int32(16), 0xb8, ...int32(1), 0x0f, 0x05], // write(1, rsp, 16)
    ...[0xb8, ...int32(34), 0x0f, 0x05, 0xeb, 0xf7], // pause; again
  ];
  const again = [0x41, 0xff, 0xc4, 0x41, 0x81, 0xfc, ...int32(10_000)]; // inc r12d; cmp r12d, 10000
  const onRefusal = [0x48, 0x85, 0xc0, 0x78, again.length + 4]; // test rax, rax; js behind the next three
  const program = (argument: number) => {
    const call = [
      ...[0xbf, ...int32(argument), 0xbe, ...int32(second), 0x31, 0xd2], // mov edi, …; mov esi, …; xor edx, edx
      ...[0xb8, ...int32(number), 0x0f, 0x05], // mov eax, number; syscall
    ];
    const back = 256 - (call.length + onRefusal.length + again.length + 2);
    const loop = [...call, ...onRefusal, ...again, 0x7c, back, 0x31, 0xc0]; // jl to the call; xor eax, eax
    return [0x45, 0x31, 0xe4, ...loop, ...tell]; // xor r12d, r12d
  };
  if (typeof first === 'number') return elf(program(first));
  return elf([...program(base + headers + program(0).length), ...Buffer.from(first), 0]);
}

/** exit_group(edi) */
const exit = [0xb8, ...int32(231), 0x0f, 0x05];

/** Exits with the number of the last call's error, or 0. */
const end = [
  ...[0x31, 0xff, 0x48, 0x85, 0xc0, 0x79, 0x05], // xor edi, edi; test rax, rax; jns over the next two
  ...[0x48, 0xf7, 0xd8, 0x89, 0xc7], // neg rax; mov edi, eax
  ...exit,
];

function int32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}

const base = 0x400000;
const headers = 64 + 56;

/** One segment, loaded and entered right behind the headers (ELF-64 object file format, version 1.5). */
function elf(code: readonly number[]): Uint8Array {
  const file = Buffer.alloc(headers + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(62, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(base + headers), 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(5, 68);
  file.writeBigUInt64LE(BigInt(base), 80);
  file.writeBigUInt64LE(BigInt(base), 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(0x1000n, 112);
  file.set(code, headers);
  return file;
}
