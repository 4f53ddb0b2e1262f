/**
 * What the kubelet asks of a container runtime: the Container Runtime Interface (runtime.v1) in our own shape.
 * Implementations (CRI over gRPC, simulated) pass one contract test: runtime.contract.ts.
 * Times are nanoseconds since the Unix epoch, as on the wire (a double holds them to within 256 ns).
 */

export interface SandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
  attempt: number;
}

export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';

export interface NamespaceOptions {
  network?: NamespaceMode;
  pid?: NamespaceMode;
  ipc?: NamespaceMode;
  targetId?: string;
  usernsOptions?: { mode: NamespaceMode; uids?: IdMapping[]; gids?: IdMapping[] };
}

export interface IdMapping {
  hostId: number;
  containerId: number;
  length: number;
}

export interface SecurityProfile {
  profileType: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  localhostRef?: string;
}

export interface SelinuxOptions {
  user?: string;
  role?: string;
  type?: string;
  level?: string;
}

export interface Int64Value {
  value: number;
}

export interface SandboxSecurityContext {
  namespaceOptions?: NamespaceOptions;
  selinuxOptions?: SelinuxOptions;
  runAsUser?: Int64Value;
  runAsGroup?: Int64Value;
  readonlyRootfs?: boolean;
  supplementalGroups?: number[];
  supplementalGroupsPolicy?: 'Merge' | 'Strict';
  privileged?: boolean;
  seccomp?: SecurityProfile;
  apparmor?: SecurityProfile;
}

export interface PortMapping {
  protocol: 'TCP' | 'UDP' | 'SCTP';
  containerPort: number;
  hostPort: number;
  hostIp?: string;
}

export interface SandboxConfig {
  metadata: SandboxMetadata;
  hostname?: string;
  logDirectory?: string;
  dnsConfig?: { servers: string[]; searches: string[]; options: string[] };
  portMappings?: PortMapping[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  linux?: {
    cgroupParent?: string;
    securityContext?: SandboxSecurityContext;
    sysctls?: Record<string, string>;
    overhead?: LinuxResources;
    resources?: LinuxResources;
  };
}

export type SandboxState = 'SANDBOX_READY' | 'SANDBOX_NOTREADY';

export interface Sandbox {
  id: string;
  metadata: SandboxMetadata;
  state: SandboxState;
  createdAt: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  runtimeHandler: string;
}

export interface SandboxStatus extends Sandbox {
  network?: { ip: string; additionalIps: { ip: string }[] } | null;
  linux?: { namespaces?: { options?: NamespaceOptions | null } | null } | null;
}

export interface ContainerMetadata {
  name: string;
  attempt: number;
}

export interface ImageSpec {
  image: string;
  annotations?: Record<string, string>;
  userSpecifiedImage?: string;
  runtimeHandler?: string;
}

export type MountPropagation =
  | 'PROPAGATION_PRIVATE'
  | 'PROPAGATION_HOST_TO_CONTAINER'
  | 'PROPAGATION_BIDIRECTIONAL';

export interface Mount {
  containerPath: string;
  hostPath: string;
  readonly?: boolean;
  selinuxRelabel?: boolean;
  propagation?: MountPropagation;
  recursiveReadOnly?: boolean;
  image?: ImageSpec;
  imageSubPath?: string;
}

export interface Device {
  containerPath: string;
  hostPath: string;
  permissions: string;
}

export interface LinuxResources {
  cpuPeriod?: number;
  cpuQuota?: number;
  cpuShares?: number;
  memoryLimitInBytes?: number;
  oomScoreAdj?: number;
  cpusetCpus?: string;
  cpusetMems?: string;
  hugepageLimits?: { pageSize: string; limit: number }[];
  unified?: Record<string, string>;
  memorySwapLimitInBytes?: number;
}

export interface ContainerSecurityContext {
  capabilities?: { addCapabilities?: string[]; dropCapabilities?: string[] };
  privileged?: boolean;
  namespaceOptions?: NamespaceOptions;
  selinuxOptions?: SelinuxOptions;
  runAsUser?: Int64Value;
  runAsGroup?: Int64Value;
  runAsUsername?: string;
  readonlyRootfs?: boolean;
  supplementalGroups?: number[];
  supplementalGroupsPolicy?: 'Merge' | 'Strict';
  noNewPrivs?: boolean;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  seccomp?: SecurityProfile;
  apparmor?: SecurityProfile;
  /** The form that runtimes before the `apparmor` field read. */
  apparmorProfile?: string;
}

export interface ContainerConfig {
  metadata: ContainerMetadata;
  image: ImageSpec;
  command?: string[];
  args?: string[];
  workingDir?: string;
  /** The value is bytes on the wire: an environment need not be UTF-8. */
  envs?: { key: string; value: Uint8Array }[];
  mounts?: Mount[];
  devices?: Device[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  /** Below the sandbox's log directory. */
  logPath?: string;
  stdin?: boolean;
  stdinOnce?: boolean;
  tty?: boolean;
  linux?: { resources?: LinuxResources; securityContext?: ContainerSecurityContext };
  CDIDevices?: { name: string }[];
  stopSignal?: string;
}

export type ContainerState =
  | 'CONTAINER_CREATED'
  | 'CONTAINER_RUNNING'
  | 'CONTAINER_EXITED'
  | 'CONTAINER_UNKNOWN';

export interface Container {
  id: string;
  podSandboxId: string;
  metadata: ContainerMetadata;
  image: ImageSpec;
  imageRef: string;
  state: ContainerState;
  createdAt: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export interface ContainerStatus {
  id: string;
  metadata: ContainerMetadata;
  state: ContainerState;
  createdAt: number;
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  image: ImageSpec;
  imageRef: string;
  reason: string;
  message: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  mounts: Mount[];
  logPath: string;
  /** Only newer runtimes say. */
  imageId?: string;
  resources?: { linux?: LinuxResources | null } | null;
  user?: { linux?: { uid: number; gid: number; supplementalGroups: number[] } | null } | null;
}

export interface Image {
  id: string;
  repoTags: string[];
  repoDigests: string[];
  size: number;
  uid?: Int64Value | null;
  username: string;
  pinned: boolean;
}

export interface AuthConfig {
  username?: string;
  password?: string;
  auth?: string;
  serverAddress?: string;
  identityToken?: string;
  registryToken?: string;
}

export interface RuntimeCondition {
  type: string;
  status: boolean;
  reason: string;
  message: string;
}

export interface RuntimeHandler {
  name: string;
  recursiveReadOnlyMounts: boolean;
  userNamespaces: boolean;
}

export interface RuntimeVersion {
  runtimeName: string;
  runtimeVersion: string;
  runtimeApiVersion: string;
}

export interface RuntimeStatus {
  conditions: RuntimeCondition[];
  handlers: RuntimeHandler[];
  /** Of the runtime as a whole; undefined: it is too old to tell of any. */
  features?: { supplementalGroupsPolicy: boolean };
  /** The runtime's own words, as JSON texts by topic. */
  info: Record<string, string>;
}

interface UInt64Value {
  value: number;
}

export interface ContainerStats {
  attributes: { id: string; metadata: ContainerMetadata; labels: Record<string, string> };
  cpu?: {
    timestamp: number;
    usageCoreNanoSeconds?: UInt64Value | null;
    usageNanoCores?: UInt64Value | null;
  } | null;
  memory?: {
    timestamp: number;
    workingSetBytes?: UInt64Value | null;
    usageBytes?: UInt64Value | null;
    rssBytes?: UInt64Value | null;
    pageFaults?: UInt64Value | null;
    majorPageFaults?: UInt64Value | null;
  } | null;
  writableLayer?: {
    timestamp: number;
    usedBytes?: UInt64Value | null;
    inodesUsed?: UInt64Value | null;
  } | null;
}

export interface FilesystemUsage {
  timestamp: number;
  fsId?: { mountpoint: string } | null;
  usedBytes?: UInt64Value | null;
  inodesUsed?: UInt64Value | null;
}

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

/** Something happened to a container or sandbox of this id; look at it. */
export interface RuntimeEvent {
  type: 'started' | 'exited' | 'deleted' | 'oom';
  /** Of a container or of a sandbox. */
  id: string;
  /** With `exited`: what the process ended with. */
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

/** Calls fail with a {@link RuntimeError}. Stopping and removing what is not there succeeds. */
export interface ContainerRuntime {
  version(): Promise<RuntimeVersion>;
  status(options?: { verbose?: boolean }): Promise<RuntimeStatus>;
  /** Tells the runtime the node's pod range; runtimes that read a CNI configuration ignore it. */
  updatePodCidr(podCidr: string): Promise<void>;

  /** Resolves with the id, when the sandbox runs and has its network. */
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
  /** Has the runtime open the log file anew, after it was moved away. */
  reopenContainerLog(id: string): Promise<void>;

  /** `timeoutSeconds` 0: no limit. A command that runs out of time fails with code DeadlineExceeded. */
  execSync(id: string, cmd: string[], timeoutSeconds: number): Promise<ExecSyncResult>;
  /** These three give the URL of a stream that the runtime serves (SPDY or WebSocket). */
  exec(options: ExecOptions): Promise<string>;
  attach(options: AttachOptions): Promise<string>;
  portForward(sandboxId: string, ports: number[]): Promise<string>;

  listContainerStats(filter?: ContainerFilter): Promise<ContainerStats[]>;

  listImages(): Promise<Image[]>;
  /** Undefined when the image is not there. */
  imageStatus(image: ImageSpec): Promise<Image | undefined>;
  /** Resolves with a reference that names what was pulled. */
  pullImage(
    image: ImageSpec,
    auth: AuthConfig | undefined,
    sandbox: SandboxConfig | undefined,
    options?: CallOptions,
  ): Promise<string>;
  removeImage(image: ImageSpec): Promise<void>;
  imageFsInfo(): Promise<FilesystemUsage[]>;

  /**
   * What happens from now on, `ready` called once nothing is missed any more. Ends with the signal.
   * @throws RuntimeError when the runtime goes away (follow it again and look at everything),
   * with code Unimplemented when it has no such stream.
   */
  events(signal: AbortSignal, ready: () => void): AsyncIterable<RuntimeEvent>;

  close(): void;
}

/** Names of gRPC's status codes, by number. */
export const grpcCodes = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

export type GrpcCode = (typeof grpcCodes)[number];

/** A call that the runtime refused or that did not reach it. The message reads as users know it from events. */
export class RuntimeError extends Error {
  readonly code: GrpcCode;
  /** The runtime's own words. */
  readonly description: string;
  constructor(code: GrpcCode, description: string, options?: ErrorOptions) {
    super(`rpc error: code = ${code} desc = ${description}`, options);
    this.name = 'RuntimeError';
    this.code = code;
    this.description = description;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof RuntimeError && error.code === 'NotFound';
}
