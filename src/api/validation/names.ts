/**
 * Validation of names, labels and keys: the rules that all kinds share, in Kubernetes' words. Each function returns the
 * list of problems, empty when the value is valid.
 */

type Problems = readonly string[];
const none: Problems = [];

const alphanumericLower = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomainPattern = `${alphanumericLower}(\\.${alphanumericLower})*`;
const searchLabel = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const searchDomainPattern = `${searchLabel}(\\.${searchLabel})*`;
const reasonPattern = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const qualifiedNamePattern = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';

const subdomainRegExp = new RegExp(`^${subdomainPattern}$`);
const searchDomainRegExp = new RegExp(`^${searchDomainPattern}$`);
const reasonRegExp = new RegExp(`^${reasonPattern}$`);
const labelRegExp = new RegExp(`^${alphanumericLower}$`);
const label1035RegExp = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedNameRegExp = new RegExp(`^${qualifiedNamePattern}$`);
const labelValueRegExp = new RegExp(`^(${qualifiedNamePattern})?$`);
const wildcardRegExp = new RegExp(`^\\*\\.${subdomainPattern}$`);

/** The tail that upstream puts behind the description of a pattern. */
function withPattern(rule: string, pattern: string, ...examples: string[]): string {
  const eg = examples.map((example) => `'${example}'`).join(',  or ');
  return `${rule} (e.g. ${eg}, regex used for validation is '${pattern}')`;
}

const subdomainMessage = withPattern(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  subdomainPattern,
  'example.com',
);
const searchDomainMessage = withPattern(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
  searchDomainPattern,
  'example.com',
);
const labelMessage = withPattern(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  alphanumericLower,
  'my-name',
  '123-abc',
);
const label1035Message = withPattern(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  '[a-z]([-a-z0-9]*[a-z0-9])?',
  'my-name',
  'abc-123',
);
const wildcardMessage = withPattern(
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
  `\\*\\.${subdomainPattern}`,
  '*.example.com',
);
const reasonMessage = withPattern(
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
  reasonPattern,
  'my_name',
  'MY_NAME',
  'MyName',
  'ReasonA,ReasonB',
  'ReasonA:ReasonB',
);
const qualifiedNameMessage = withPattern(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  qualifiedNamePattern,
  'MyName',
  'my.name',
  '123-abc',
);
const labelValueMessage = withPattern(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  `(${qualifiedNamePattern})?`,
  'MyValue',
  'my_value',
  '12345',
);
const identifierMessage = withPattern(
  "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
  '[A-Za-z_][A-Za-z0-9_]*',
  'my_name',
  'MY_NAME',
  'MyName',
);
const environmentNameMessage =
  "a valid environment variable name must consist only of printable ASCII characters other than '='";
const configKeyMessage = withPattern(
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  '[-._a-zA-Z0-9]+',
  'key.name',
  'KEY_NAME',
  'key-name',
);
const headerNameMessage = withPattern(
  "a valid HTTP header must consist of alphanumeric characters or '-'",
  '[-A-Za-z0-9]+',
  'X-Header-Name',
);

export const subdomainLengthMax = 253;
const labelLengthMax = 63;

export function lengthProblem(max: number, unit: 'bytes' | 'characters' = 'characters'): string {
  return `must be no more than ${max} ${unit}`;
}

interface NameRule {
  lengthMax: number;
  /** The unit of the length in upstream's message. */
  unit?: 'bytes';
  pattern: RegExp;
  /** What the pattern requires, in upstream's words. */
  message: string;
}

function problemsBy({ lengthMax, unit, pattern, message }: NameRule, value: string): Problems {
  const tooLong = value.length > lengthMax;
  const malformed = !pattern.test(value);
  if (!tooLong && !malformed) return none;
  return [...(tooLong ? [lengthProblem(lengthMax, unit)] : []), ...(malformed ? [message] : [])];
}

const subdomain = { lengthMax: subdomainLengthMax, pattern: subdomainRegExp, message: subdomainMessage };
const searchDomain = {
  lengthMax: subdomainLengthMax,
  pattern: searchDomainRegExp,
  message: searchDomainMessage,
};
const dnsLabel = { lengthMax: labelLengthMax, pattern: labelRegExp, message: labelMessage };
const dns1035Label = { lengthMax: labelLengthMax, pattern: label1035RegExp, message: label1035Message };
const wildcardSubdomain = {
  lengthMax: subdomainLengthMax,
  pattern: wildcardRegExp,
  message: wildcardMessage,
};
const labelValue = {
  lengthMax: labelLengthMax,
  unit: 'bytes',
  pattern: labelValueRegExp,
  message: labelValueMessage,
} as const;

/** RFC 1123 subdomain: what most objects' names must be. */
export function subdomainProblems(value: string): Problems {
  return problemsBy(subdomain, value);
}

/** A domain in which resolvers look for a name: labels may have underscores. */
export function searchDomainProblems(value: string): Problems {
  return problemsBy(searchDomain, value);
}

export function dnsLabelProblems(value: string): Problems {
  // What would do as a subdomain has nothing wrong but its dots.
  const rule = subdomainRegExp.test(value) ? { ...dnsLabel, message: 'must not contain dots' } : dnsLabel;
  return problemsBy(rule, value);
}

export function dns1035LabelProblems(value: string): Problems {
  return problemsBy(dns1035Label, value);
}

export function wildcardSubdomainProblems(value: string): Problems {
  return problemsBy(wildcardSubdomain, value);
}

/** One word, or several with commas and colons: the reason of a condition. */
export function conditionReasonProblems(value: string): Problems {
  return reasonRegExp.test(value) ? none : [reasonMessage];
}

export function labelValueProblems(value: string): Problems {
  return problemsBy(labelValue, value);
}

/** What programming languages call things. */
export function identifierProblems(value: string): Problems {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(value) ? none : [identifierMessage];
}

/** `name` or `prefix.example.com/name`: label and annotation keys, resource names, taint keys. */
export function qualifiedNameProblems(value: string): Problems {
  const slash = value.indexOf('/');
  if (slash >= 0 && value.indexOf('/', slash + 1) >= 0)
    return [
      `a valid label key ${qualifiedNameMessage} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  const name = slash < 0 ? value : value.slice(slash + 1);
  const problems: string[] = [];
  if (slash >= 0) {
    const prefix = value.slice(0, slash);
    if (prefix === '') problems.push('prefix part must be non-empty');
    else for (const problem of subdomainProblems(prefix)) problems.push(`prefix part ${problem}`);
  }
  if (name === '') problems.push('name part must be non-empty');
  else if (name.length > labelLengthMax) problems.push(`name part ${lengthProblem(labelLengthMax, 'bytes')}`);
  if (!qualifiedNameRegExp.test(name)) problems.push(`name part ${qualifiedNameMessage}`);
  return problems;
}

/** A subdomain of at least three segments: the name of a webhook. */
export function threeSegmentNameProblems(value: string): Problems {
  const problems = subdomainProblems(value);
  if (problems.length > 0) return problems;
  return value.split('.').length < 3
    ? ['should be a domain with at least three segments separated by dots']
    : none;
}

/** The path behind a domain. */
export function httpPathProblems(value: string): Problems {
  if (/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(value)) return none;
  return ["Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"];
}

/** Any printable ASCII but `=`. */
export function environmentNameProblems(value: string): Problems {
  if (!/^[ -<>-~]+$/.test(value)) return [environmentNameMessage];
  return none;
}

/** Keys of ConfigMaps and Secrets. */
export function configKeyProblems(value: string): Problems {
  const problems: string[] = [];
  if (value.length > subdomainLengthMax) problems.push(lengthProblem(subdomainLengthMax));
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) problems.push(configKeyMessage);
  if (value === '.') problems.push("must not be '.'");
  else if (value === '..') problems.push("must not be '..'");
  else if (value.startsWith('..')) problems.push("must not start with '..'");
  return problems;
}

export function headerNameProblems(value: string): Problems {
  return /^[-A-Za-z0-9]+$/.test(value) ? none : [headerNameMessage];
}

/** Names of container ports, and named target ports (IANA service names). */
export function portNameProblems(value: string): Problems {
  const problems: string[] = [];
  if (value.length > 15) problems.push(lengthProblem(15));
  if (!/^[-a-z0-9]+$/.test(value))
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) problems.push('must contain at least one letter (a-z)');
  if (value.includes('--')) problems.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) problems.push('must not begin or end with a hyphen');
  return problems;
}

/** A name that is used literally in a URL path (RBAC kinds). */
export function pathSegmentProblems(value: string): Problems {
  if (value === '.') return ["may not be '.'"];
  if (value === '..') return ["may not be '..'"];
  const problems: string[] = [];
  for (const character of ['/', '%'])
    if (value.includes(character)) problems.push(`may not contain '${character}'`);
  return problems;
}
