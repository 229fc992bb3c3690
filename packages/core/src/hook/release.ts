import { hash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../json/canonical.ts';
import { bounds } from '../limits.ts';
import { digestPattern } from './image.ts';

/**
 * A release is what a hook runs. It is immutable, and its identity is a fingerprint over everything that can
 * change a result: runtime, digest, command, config and limits. The image's name and `source_ref` are not part of it.
 */

export const Digest = z
  .string()
  .regex(digestPattern, 'must be "sha256:" and 64 lower-case hexadecimal digits');

/** The arguments that start a directory's code. */
export const Command = z.array(z.string().min(1).max(10_000)).min(1).max(100);

/** The number of a release among those of its hook. */
export const ReleaseVersion = z.int().min(1).max(bounds.releaseVersion);

const memoryPattern = /^(\d+(?:\.\d+)?)([gmk]?)i?$/i;
const memoryUnits = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 } as const;

const timeoutSeconds = z.int().min(1).max(86_400);
/** Memory as it is written, with a binary unit: `256m`, `1.5g`. */
export const MemoryText = z
  .string()
  .max(32, { error: 'must have at most 32 characters', abort: true })
  .regex(memoryPattern, {
    error: 'must be a number with an optional unit g, m or k, such as "256m"',
    abort: true,
  })
  .refine((text) => inRange(memoryBytes(text), 2 ** 22, 2 ** 44), 'must be from 4m to 16384g');
const cpu = z
  .string()
  .max(16, { error: 'must have at most 16 characters', abort: true })
  .regex(/^\d+(\.\d+)?$/, { error: 'must be a number of cores, such as "0.5"', abort: true })
  .refine((text) => inRange(Number(text), 0.01, 1024), 'must be from 0.01 to 1024');

/** Limits as they are written: memory with a binary unit (`256m`, `1g`), cpu in cores, time in seconds. */
export const Limits = z.object({
  timeout_seconds: timeoutSeconds.default(300),
  memory: MemoryText.default('1g'),
  cpu: cpu.default('0.5'),
});

/** Some of the limits; the others stay what they are. */
export const LimitsUpdate = z.object({
  timeout_seconds: timeoutSeconds.optional(),
  memory: MemoryText.optional(),
  cpu: cpu.optional(),
});

/**
 * Any JSON object. Its numbers keep their value, as raw JSON where no double does: the parsers of API bodies, files and
 * YAML refuse anything but JSON.
 */
export const Config = z.record(z.string().max(1_000), z.unknown());

/** How a release reaches a machine: an OCI image by digest, or a packed directory (a blob) by digest. */
export const runtimes = ['image', 'directory'] as const;
export type Runtime = (typeof runtimes)[number];

export type Limits = z.infer<typeof Limits>;
export type Config = z.infer<typeof Config>;

/** Limits in base units: bytes, thousandths of a core, seconds. */
export interface NormalLimits {
  readonly memory_bytes: number;
  readonly cpu_millicores: number;
  readonly timeout_seconds: number;
}

/** The code and config of a release, before it has a version. */
export interface ReleaseContent {
  readonly runtime: Runtime;
  /** The image's name, for people and for pulling; never decides what runs. Null for a directory. */
  readonly image: string | null;
  readonly digest: string;
  /** The arguments that start a directory's code; null for an image, which has its own entrypoint. */
  readonly command: readonly string[] | null;
  readonly config: Config;
  readonly limits: Limits;
  readonly source_ref: string;
}

/** SHA-256, as hex, over the RFC 8785 form of what decides a result. */
export function fingerprint(content: Omit<ReleaseContent, 'source_ref'>): string {
  const { runtime, digest, command, config, limits } = content;
  return sha256(canonicalJson({ runtime, digest, command, config, limits: normaliseLimits(limits) }));
}

export function normaliseLimits(limits: Limits): NormalLimits {
  return {
    memory_bytes: memoryBytes(limits.memory),
    cpu_millicores: millicores(limits.cpu),
    timeout_seconds: limits.timeout_seconds,
  };
}

export function millicores(cores: string): number {
  return Math.round(Number(cores) * 1000);
}

/** `1.5g` → 1610612736. Units are binary, as in the container runtimes; the text has passed `Limits`. */
export function memoryBytes(text: string): number {
  const [, amount = '', unit = ''] = memoryPattern.exec(text) ?? [];
  return Math.round(Number(amount) * memoryUnits[unit.toLowerCase() as keyof typeof memoryUnits]);
}

export function sha256(text: string | Uint8Array): string {
  return hash('sha256', text);
}

function inRange(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}
