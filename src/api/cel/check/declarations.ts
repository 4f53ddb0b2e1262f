/** The functions that expressions may call, with the types that they take and give; capital letters stand for any type. */
import { type Overload, parseSignatures } from './signatures.ts';

const numbers = ['int', 'uint', 'double'];
const comparable = ['bool', 'string', 'bytes', 'timestamp', 'duration'];
const comparisons = ['_<_', '_<=_', '_>_', '_>=_'].flatMap((name) => [
  ...comparable.map((type) => `${name}(${type}, ${type}): bool`),
  ...numbers.flatMap((left) => numbers.map((right) => `${name}(${left}, ${right}): bool`)),
]);
const arithmetic = [
  ...['_+_', '_-_', '_*_', '_/_'].flatMap((name) =>
    numbers.map((type) => `${name}(${type}, ${type}): ${type}`),
  ),
  '_%_(int, int): int',
  '_%_(uint, uint): uint',
  '-_(int): int',
  '-_(double): double',
  '_+_(string, string): string',
  '_+_(bytes, bytes): bytes',
  '_+_(list(A), list(A)): list(A)',
  '_+_(timestamp, duration): timestamp',
  '_+_(duration, timestamp): timestamp',
  '_+_(duration, duration): duration',
  '_-_(timestamp, timestamp): duration',
  '_-_(timestamp, duration): timestamp',
  '_-_(duration, duration): duration',
];
const basics = [
  '!_(bool): bool',
  '_&&_(bool, bool): bool',
  '_||_(bool, bool): bool',
  '_==_(A, A): bool',
  '_!=_(A, A): bool',
  '_?_:_(bool, A, A): A',
  '@in(A, list(A)): bool',
  '@in(A, map(A, B)): bool',
  '_[_](list(A), int): A',
  '_[_](map(A, B), A): B',
  '_[_](optional(list(A)), int): optional(A)',
  '_[_](optional(map(A, B)), A): optional(B)',
  '_[?_](list(A), int): optional(A)',
  '_[?_](map(A, B), A): optional(B)',
  '_[?_](optional(list(A)), int): optional(A)',
  '_[?_](optional(map(A, B)), A): optional(B)',
];
const sized = ['string', 'bytes', 'list(A)', 'map(A, B)'].flatMap((type) => [
  `size(${type}): int`,
  `${type}.size(): int`,
]);
const conversions = [
  ...['int', 'uint', 'double', 'string', 'timestamp', 'duration'].map((type) => `int(${type}): int`),
  ...['int', 'uint', 'double', 'string'].map((type) => `uint(${type}): uint`),
  ...['int', 'uint', 'double', 'string'].map((type) => `double(${type}): double`),
  ...['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration'].map(
    (type) => `string(${type}): string`,
  ),
  'bool(bool): bool',
  'bool(string): bool',
  'bytes(bytes): bytes',
  'bytes(string): bytes',
  'dyn(A): dyn',
  'type(A): type(A)',
  'timestamp(string): timestamp',
  'timestamp(timestamp): timestamp',
  'timestamp(int): timestamp',
  'duration(string): duration',
  'duration(duration): duration',
  'duration(int): duration',
];
const partsOfTime = ['FullYear', 'Month', 'DayOfYear', 'DayOfMonth', 'Date', 'DayOfWeek'].flatMap((part) => [
  `timestamp.get${part}(): int`,
  `timestamp.get${part}(string): int`,
]);
const partsOfDay = ['Hours', 'Minutes', 'Seconds', 'Milliseconds'].flatMap((part) => [
  `timestamp.get${part}(): int`,
  `timestamp.get${part}(string): int`,
  `duration.get${part}(): int`,
]);
const texts = [
  'string.contains(string): bool',
  'string.startsWith(string): bool',
  'string.endsWith(string): bool',
  'string.matches(string): bool',
  'matches(string, string): bool',
  'string.charAt(int): string',
  'string.indexOf(string): int',
  'string.indexOf(string, int): int',
  'string.lastIndexOf(string): int',
  'string.lastIndexOf(string, int): int',
  'string.lowerAscii(): string',
  'string.upperAscii(): string',
  'string.replace(string, string): string',
  'string.replace(string, string, int): string',
  'string.split(string): list(string)',
  'string.split(string, int): list(string)',
  'string.substring(int): string',
  'string.substring(int, int): string',
  'string.trim(): string',
  'string.format(list(dyn)): string',
  'string.find(string): string',
  'string.findAll(string): list(string)',
  'string.findAll(string, int): list(string)',
  'list(string).join(): string',
  'list(string).join(string): string',
  'strings.quote(string): string',
];
const orderedTypes = [...numbers, ...comparable];
const summedTypes = [...numbers, 'duration'];
const lists = [
  ...orderedTypes.map((type) => `list(${type}).isSorted(): bool`),
  ...summedTypes.map((type) => `list(${type}).sum(): ${type}`),
  ...['min', 'max'].flatMap((name) => orderedTypes.map((type) => `list(${type}).${name}(): ${type}`)),
  'list(A).indexOf(A): int',
  'list(A).lastIndexOf(A): int',
  'list(A).slice(int, int): list(A)',
  'list(list(A)).flatten(): list(A)',
  'list(A).flatten(int): list(dyn)',
  ...orderedTypes.map((type) => `list(${type}).sort(): list(${type})`),
  'list(A).distinct(): list(A)',
  'list(A).reverse(): list(A)',
  'list(A).first(): optional(A)',
  'list(A).last(): optional(A)',
  'lists.range(int): list(int)',
  ...['contains', 'intersects', 'equivalent'].map((name) => `sets.${name}(list(A), list(A)): bool`),
];
const optionals = [
  'optional.of(A): optional(A)',
  'optional.ofNonZeroValue(A): optional(A)',
  'optional.none(): optional(A)',
  'optional.unwrap(list(optional(A))): list(A)',
  'list(optional(A)).unwrapOpt(): list(A)',
  'optional(A).hasValue(): bool',
  'optional(A).value(): A',
  'optional(A).or(optional(A)): optional(A)',
  'optional(A).orValue(A): A',
];
const urls = [
  'url(string): kubernetes.URL',
  'isURL(string): bool',
  ...['Scheme', 'Host', 'Hostname', 'Port', 'EscapedPath'].map(
    (part) => `kubernetes.URL.get${part}(): string`,
  ),
  'kubernetes.URL.getQuery(): map(string, list(string))',
];
const quantities = [
  'quantity(string): kubernetes.Quantity',
  'isQuantity(string): bool',
  // Upstream's documentation calls it a method.
  'sign(kubernetes.Quantity): int',
  'kubernetes.Quantity.isInteger(): bool',
  'kubernetes.Quantity.asInteger(): int',
  'kubernetes.Quantity.asApproximateFloat(): double',
  'kubernetes.Quantity.compareTo(kubernetes.Quantity): int',
  ...['isGreaterThan', 'isLessThan'].map((name) => `kubernetes.Quantity.${name}(kubernetes.Quantity): bool`),
  ...['add', 'sub'].flatMap((name) => [
    `kubernetes.Quantity.${name}(kubernetes.Quantity): kubernetes.Quantity`,
    `kubernetes.Quantity.${name}(int): kubernetes.Quantity`,
  ]),
];
const versions = [
  'semver(string): kubernetes.Semver',
  'semver(string, bool): kubernetes.Semver',
  'isSemver(string): bool',
  'isSemver(string, bool): bool',
  ...['isGreaterThan', 'isLessThan'].map((name) => `kubernetes.Semver.${name}(kubernetes.Semver): bool`),
  'kubernetes.Semver.compareTo(kubernetes.Semver): int',
  ...['major', 'minor', 'patch'].map((name) => `kubernetes.Semver.${name}(): int`),
];
const addresses = [
  'ip(string): net.IP',
  'isIP(string): bool',
  'ip.isCanonical(string): bool',
  'net.IP.family(): int',
  ...['isUnspecified', 'isLoopback', 'isLinkLocalMulticast', 'isLinkLocalUnicast', 'isGlobalUnicast'].map(
    (name) => `net.IP.${name}(): bool`,
  ),
  'string(net.IP): string',
  'cidr(string): net.CIDR',
  'isCIDR(string): bool',
  'net.CIDR.containsIP(net.IP): bool',
  'net.CIDR.containsIP(string): bool',
  'net.CIDR.containsCIDR(net.CIDR): bool',
  'net.CIDR.containsCIDR(string): bool',
  'net.CIDR.ip(): net.IP',
  'net.CIDR.masked(): net.CIDR',
  'net.CIDR.prefixLength(): int',
  'string(net.CIDR): string',
];
const formatNames =
  'dns1123Label dns1123Subdomain dns1035Label qualifiedName dns1123LabelPrefix dns1123SubdomainPrefix dns1035LabelPrefix labelValue uri uuid byte date datetime';
const formats = [
  ...formatNames.split(' ').map((name) => `format.${name}(): kubernetes.NamedFormat`),
  'format.named(string): optional(kubernetes.NamedFormat)',
  'kubernetes.NamedFormat.validate(string): optional(list(string))',
];
const authorizer = 'kubernetes.authorization.Authorizer';
const [pathCheck, groupCheck, resourceCheck, decision] = ['Path', 'Group', 'Resource']
  .map((name) => `kubernetes.authorization.${name}Check`)
  .concat('kubernetes.authorization.Decision') as [string, string, string, string];
const authorization = [
  `${authorizer}.path(string): ${pathCheck}`,
  `${authorizer}.group(string): ${groupCheck}`,
  `${authorizer}.serviceAccount(string, string): ${authorizer}`,
  `${groupCheck}.resource(string): ${resourceCheck}`,
  ...['subresource', 'namespace', 'name', 'fieldSelector', 'labelSelector'].map(
    (name) => `${resourceCheck}.${name}(string): ${resourceCheck}`,
  ),
  `${pathCheck}.check(string): ${decision}`,
  `${resourceCheck}.check(string): ${decision}`,
  `${decision}.allowed(): bool`,
  `${decision}.errored(): bool`,
  `${decision}.error(): string`,
  `${decision}.reason(): string`,
  'jsonpatch.escapeKey(string): string',
];

/** By name, those of namespaces with it: `sets.contains`. */
export const declarations: ReadonlyMap<string, readonly Overload[]> = parseSignatures([
  ...comparisons,
  ...arithmetic,
  ...basics,
  ...sized,
  ...conversions,
  ...partsOfTime,
  ...partsOfDay,
  ...texts,
  ...lists,
  ...optionals,
  ...urls,
  ...quantities,
  ...versions,
  ...addresses,
  ...formats,
  ...authorization,
]);
