/** Container images as archives in the OCI layout, which containerd (and docker, podman, skopeo) load from a file. */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type TarEntry, tarChunks } from './tar.ts';

export interface ImageConfig {
  Entrypoint?: readonly string[];
  Cmd?: readonly string[];
  Env?: readonly string[];
  WorkingDir?: string;
  User?: string;
  ExposedPorts?: Record<string, Record<string, never>>;
  Labels?: Record<string, string>;
}

export interface ImageSource {
  /** Full references, e.g. `docker.io/library/busybox:1.28`. */
  names: readonly string[];
  config: ImageConfig;
  /** The content of the only layer. */
  files: readonly TarEntry[];
}

/** Go's names of the processors that Node runs on. */
const architectures: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

export function imageArchitecture(): string {
  return architectures[process.arch] ?? process.arch;
}

/** Writes the archive; an existing file is replaced at once, when the new one is complete. */
export function writeImageArchive(file: string, image: ImageSource): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.new`;
  const handle = openSync(temporary, 'w', 0o644);
  try {
    for (const chunk of tarChunks(archiveEntries(image))) writeWhole(handle, chunk);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(handle);
  }
  renameSync(temporary, file);
}

function archiveEntries(image: ImageSource): TarEntry[] {
  const layer = blob('application/vnd.oci.image.layer.v1.tar', [...tarChunks(image.files)]);
  const config = jsonBlob('application/vnd.oci.image.config.v1+json', {
    architecture: imageArchitecture(),
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: image.config,
    rootfs: { type: 'layers', diff_ids: [layer.descriptor.digest] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'wherry' }],
  });
  const manifest = jsonBlob('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: config.descriptor,
    layers: [layer.descriptor],
  });
  const index = {
    schemaVersion: 2,
    manifests: image.names.map((name) => ({
      ...manifest.descriptor,
      platform: { architecture: imageArchitecture(), os: 'linux' },
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tagOf(name) },
    })),
  };
  return [
    jsonEntry('oci-layout', { imageLayoutVersion: '1.0.0' }),
    jsonEntry('index.json', index),
    ...[manifest, config, layer].map((each) => blobEntry(each)),
  ];
}

interface Blob {
  descriptor: { mediaType: string; digest: string; size: number };
  content: Buffer;
}

function blob(mediaType: string, chunks: readonly Uint8Array[]): Blob {
  const content = Buffer.concat(chunks);
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  return { descriptor: { mediaType, digest, size: content.byteLength }, content };
}

function jsonBlob(mediaType: string, value: unknown): Blob {
  return blob(mediaType, [Buffer.from(JSON.stringify(value))]);
}

function jsonEntry(path: string, value: unknown): TarEntry {
  return { path, mode: 0o644, content: Buffer.from(JSON.stringify(value)) };
}

function blobEntry({ descriptor, content }: Blob): TarEntry {
  return { path: `blobs/${descriptor.digest.replace(':', '/')}`, mode: 0o644, content };
}

function tagOf(name: string): string {
  return name.slice(name.lastIndexOf(':') + 1);
}

function writeWhole(handle: number, chunk: Uint8Array): void {
  for (let offset = 0; offset < chunk.byteLength; ) offset += writeSync(handle, chunk, offset);
}

/** `nginx` → `docker.io/library/nginx:latest`: the full name under which a container runtime keeps an image. */
export function fullImageName(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const isRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const withRegistry = isRegistry ? name : `docker.io/${rest.length > 0 ? '' : 'library/'}${name}`;
  const lastPart = withRegistry.slice(withRegistry.lastIndexOf('/') + 1);
  return /[:@]/.test(lastPart) ? withRegistry : `${withRegistry}:latest`;
}
