/**
 * What the kubelet asks of a container runtime: the calls of the Container Runtime Interface.
 * Implementations (CRI over gRPC, simulated) pass one contract test: runtime.contract.ts.
 */
import type { Download } from './containerd/containerd-downloads.ts';
import type {
  AuthConfig,
  Container,
  ContainerConfig,
  ContainerState,
  ContainerStats,
  ContainerStatus,
  FilesystemUsage,
  Image,
  ImageSnapshot,
  ImageSpec,
  LinuxResources,
  RuntimeStatus,
  RuntimeVersion,
  Sandbox,
  SandboxConfig,
  SandboxState,
  SandboxStatus,
} from './messages.ts';

export interface SandboxFilter {
  id?: string;
  state?: SandboxState;
  labelSelector?: Record<string, string>;
}

export interface ContainerFilter {
  id?: string;
  state?: ContainerState;
  podSandboxId?: string;
  labelSelector?: Record<string, string>;
}

/** Something happened to the container or sandbox with this id: its state should be read. */
export interface RuntimeEvent {
  type: 'started' | 'exited' | 'deleted' | 'oom';
  /** Of a container or of a sandbox. */
  id: string;
  /** With `exited`: the exit code. */
  exitCode?: number;
}

export interface ExecSyncResult {
  stdout: Uint8Array;
  stderr: Uint8Array;
  exitCode: number;
}

export interface ExecOptions {
  containerId: string;
  cmd: string[];
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

export interface AttachOptions {
  containerId: string;
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

export interface CallOptions {
  signal?: AbortSignal;
}

/** Calls fail with a {@link RuntimeError}. Stopping or removing what does not exist succeeds. */
export interface ContainerRuntime {
  version(): Promise<RuntimeVersion>;
  status(options?: { verbose?: boolean }): Promise<RuntimeStatus>;
  /** Tells the runtime the node's pod range; runtimes that read a CNI configuration ignore it. */
  updatePodCidr(podCidr: string): Promise<void>;

  /** Resolves with the id when the sandbox runs and has its network. */
  runPodSandbox(config: SandboxConfig, runtimeHandler: string, options?: CallOptions): Promise<string>;
  stopPodSandbox(id: string): Promise<void>;
  removePodSandbox(id: string): Promise<void>;
  podSandboxStatus(id: string): Promise<SandboxStatus>;
  listPodSandboxes(filter?: SandboxFilter): Promise<Sandbox[]>;

  createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** SIGTERM (or the image's stop signal), then SIGKILL after `timeoutSeconds`; resolves when it has ended. */
  stopContainer(id: string, timeoutSeconds: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  containerStatus(id: string): Promise<ContainerStatus>;
  listContainers(filter?: ContainerFilter): Promise<Container[]>;
  updateContainerResources(id: string, resources: LinuxResources): Promise<void>;
  /** Has the runtime reopen the log file after it was moved. */
  reopenContainerLog(id: string): Promise<void>;

  /** `timeoutSeconds` 0: no limit. A command that runs out of time fails with code DeadlineExceeded. */
  execSync(id: string, cmd: string[], timeoutSeconds: number): Promise<ExecSyncResult>;
  /** These three give the URL of a stream that the runtime serves (SPDY or WebSocket). */
  exec(options: ExecOptions): Promise<string>;
  attach(options: AttachOptions): Promise<string>;
  portForward(sandboxId: string, ports: number[]): Promise<string>;

  listContainerStats(filter?: ContainerFilter): Promise<ContainerStats[]>;

  listImages(): Promise<Image[]>;
  /** Undefined when the image does not exist. */
  imageStatus(image: ImageSpec): Promise<Image | undefined>;
  /** Where the files of an image are kept; undefined when it does not exist. */
  imageSnapshot(image: ImageSpec): Promise<ImageSnapshot | undefined>;
  /** Resolves with a reference to what was pulled. */
  pullImage(
    image: ImageSpec,
    auth: AuthConfig | undefined,
    sandbox: SandboxConfig | undefined,
    options?: CallOptions,
  ): Promise<string>;
  /** What pulls are waiting for; empty where the runtime does not tell. */
  downloads(): Promise<Download[]>;
  removeImage(image: ImageSpec): Promise<void>;
  imageFsInfo(): Promise<FilesystemUsage[]>;

  /**
   * Releases the resources of operations that were interrupted by the end of the runtime; returns the number of such
   * operations.
   */
  dropAbandoned(): Promise<number>;

  /**
   * Events from now on; `ready` is called once none can be missed. Ends with the signal.
   * @throws RuntimeError when the runtime goes away (subscribe again, and read all states), with code Unimplemented
   * when it has no such stream
   */
  events(signal: AbortSignal, ready: () => void): AsyncIterable<RuntimeEvent>;

  close(): void;
}
