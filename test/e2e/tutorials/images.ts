/**
 * The images of the tutorials, under their own names and with their behaviour: what they answer, print and hold. They
 * are made of the busybox of this machine and a few of its programs, so that nothing has to be fetched.
 */
import { join } from 'node:path';
import { fullImageName, type ImageConfig, writeImageArchive } from '../../../src/host/images/archive.ts';
import { busyboxEntries, programEntries } from '../../../src/host/images/rootfs.ts';
import type { TarEntry } from '../../../src/host/images/tar.ts';
import type { TestCluster } from '../test-cluster.ts';

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface TutorialImage {
  names: readonly string[];
  config: ImageConfig;
  /** Scripts, by their paths. */
  scripts: Record<string, string>;
  /** Programs of this machine that the image has besides busybox. */
  programs?: readonly string[];
}

/** Reads a request's head; `$method`, `$target` and `$length` (of its body) tell about it. */
const readHead = `#!/bin/sh
read -r method target version
length=0
while read -r name value; do
  value=\${value%?}
  [ -z "\${name%?}" ] && break
  case "$name" in [Cc]ontent-[Ll]ength:) length=$value ;; esac
done
answer() { printf 'HTTP/1.1 %s\\r\\nConnection: close\\r\\nContent-Length: %s\\r\\n\\r\\n%s\\n' "$1" $((\${#2} + 1)) "$2"; }
`;

/** A server that says \`hello\` in its log and hands every connection to /answer.sh; \`onTerm\` is what SIGTERM does. */
function server(port: number, hello: string, onTerm = 'exit 0'): string {
  return `#!/bin/sh
${hello && `echo "${hello}"`}
trap '${onTerm}' TERM
nc -ll -p ${port} -e /answer.sh &
while :; do wait $!; done
`;
}

const started: ImageConfig = { Cmd: ['/bin/sh', '/start.sh'], Env: [path] };

const kubia = `${readHead}answer "200 OK" "You've hit $(hostname)"\n`;

/** Right five times, then broken, as a program with an error in its logic. */
const kubiaUnhealthy = `${readHead}
echo >> /tmp/requests
if [ "$(wc -l < /tmp/requests)" -gt 5 ]; then answer "500 Internal Server Error" "I'm not well. Please restart me!"
else answer "200 OK" "You've hit $(hostname)"; fi
`;

const stored = '$(cat /var/data/kubia.txt 2>/dev/null || echo "No data posted yet")';

const kubiaPet = `${readHead}
if [ "$method" = POST ]; then
  head -c "$length" > /var/data/kubia.txt
  answer "200 OK" "Data stored on pod $(hostname)"
else
  answer "200 OK" "You've hit $(hostname)
Data stored on this pod: ${stored}"
fi
`;

/** busybox's nslookup, which prints \`NAME service = PRIORITY WEIGHT PORT TARGET\`, in the form of dig's answers. */
const dig = `#!/bin/sh
nslookup -type="$1" "$2" | awk '/service = / { print $1 ".", "IN", "SRV", $4, $5, $6, $7 "." }'
`;

/** Finds its peers by the SRV records of its headless Service. */
const kubiaPetPeers = `${readHead}
if [ "$target" = /data ]; then answer "200 OK" "${stored}"; exit; fi
if [ "$method" = POST ]; then
  head -c "$length" > /var/data/kubia.txt
  answer "200 OK" "Data stored on pod $(hostname)"
  exit
fi
all=$(dig SRV kubia.default.svc.cluster.local | while read -r name class type priority weight port peer; do
  echo "- \${peer%.}: $(curl -s "http://$peer:8080/data")"
done)
answer "200 OK" "You've hit $(hostname)
Data stored in the cluster:
$all"
`;

const myapp = (version: string) => `${readHead}
case "$target" in
  /hostname.html) answer "200 OK" "$(hostname)" ;;
  *) answer "200 OK" "Hello MyApp | Version: ${version} | <a href=\\"hostname.html\\">Pod Name</a>" ;;
esac
`;

const nginx = `${readHead}
[ "$target" = / ] && target=/index.html
file=/usr/share/nginx/html$target
echo "$method $target" >> /var/log/nginx/access.log
if [ -f "$file" ]; then answer "200 OK" "$(cat "$file")"; else answer "403 Forbidden" "403 Forbidden"; fi
`;

const fortune = `#!/bin/sh
trap 'exit 0' TERM
interval=\${INTERVAL:-\${1:-10}}
echo "Configured to generate new fortune every $interval seconds"
while :; do
  echo "$(date) Writing fortune to /var/htdocs/index.html"
  echo "Fortune of $(date +%s)" > /var/htdocs/index.html
  sleep "$interval" & wait $!
done
`;

const nginxTags = [
  'latest',
  'alpine',
  '9',
  '1.7.9',
  '1.9.1',
  '1.12',
  '1.14',
  '1.14.2',
  '1.19.2',
  '1.19.2-alpine',
];

const images: Record<string, TutorialImage> = {
  busybox: {
    names: ['busybox', 'busybox:1.28', 'busybox:1.28.3', 'busybox:3'],
    config: { Cmd: ['sh'], Env: [path] },
    scripts: {},
  },
  dnsutils: {
    names: ['tutum/dnsutils'],
    config: { Cmd: ['sh'], Env: [path] },
    scripts: { 'usr/bin/dig': dig },
  },
  kubia: {
    names: ['luksa/kubia', 'luksa/kubia:v1', 'luksa/kubia:v2', 'taodaling/kubia'],
    config: { ...started, ExposedPorts: { '8080/tcp': {} } },
    scripts: { 'start.sh': server(8080, 'Kubia server starting...'), 'answer.sh': kubia },
    programs: ['/usr/bin/curl', '/bin/bash'],
  },
  kubiaUnhealthy: {
    names: ['luksa/kubia-unhealthy'],
    config: started,
    scripts: { 'start.sh': server(8080, 'Kubia server starting...', ''), 'answer.sh': kubiaUnhealthy },
  },
  kubiaPet: {
    names: ['luksa/kubia-pet'],
    config: started,
    scripts: { 'start.sh': server(8080, 'Server listening on port 8080'), 'answer.sh': kubiaPet },
    programs: ['/usr/bin/curl'],
  },
  kubiaPetPeers: {
    names: ['luksa/kubia-pet-peers'],
    config: started,
    scripts: {
      'start.sh': server(8080, 'Server listening on port 8080'),
      'answer.sh': kubiaPetPeers,
      'usr/bin/dig': dig,
    },
    programs: ['/usr/bin/curl'],
  },
  nginx: {
    names: nginxTags.map((tag) => `nginx:${tag}`),
    config: { ...started, ExposedPorts: { '80/tcp': {} } },
    scripts: {
      'start.sh': server(80, ''),
      'answer.sh': nginx,
      'usr/share/nginx/html/index.html': '<title>Welcome to nginx!</title>\n',
      'var/log/nginx/access.log': '',
    },
  },
  fortune: {
    names: ['luksa/fortune', 'luksa/fortune:env', 'luksa/fortune:args'],
    config: { Entrypoint: ['/bin/sh', '/fortune.sh'], Env: [path] },
    scripts: { 'fortune.sh': fortune, 'var/htdocs/index.html': '' },
  },
  ssdMonitor: {
    names: ['luksa/ssd-monitor'],
    config: {
      Cmd: ['/bin/sh', '-c', 'trap "exit 0" TERM; while :; do echo "SSD OK"; sleep 5 & wait $!; done'],
      Env: [path],
    },
    scripts: {},
  },
  /** The tutorial's takes two minutes; this one takes two seconds. */
  batchJob: {
    names: ['luksa/batch-job'],
    config: {
      Cmd: [
        '/bin/sh',
        '-c',
        'echo "$(date) Batch job starting"; sleep 2; echo "$(date) Finished succesfully"',
      ],
      Env: [path],
    },
    scripts: {},
  },
  myappV1: myappImage('v1'),
  myappV2: myappImage('v2'),
  myappV3: myappImage('v3'),
};

function myappImage(version: string): TutorialImage {
  return {
    names: [`ikubernetes/myapp:${version}`],
    config: { ...started, ExposedPorts: { '80/tcp': {} } },
    scripts: { 'start.sh': server(80, ''), 'answer.sh': myapp(version) },
  };
}

export type ImageName = keyof typeof images;

/** Makes images and loads them into every node of the cluster. */
export async function loadTutorialImages(cluster: TestCluster, names: readonly ImageName[]): Promise<void> {
  const busybox = await busyboxEntries();
  const archives: string[] = [];
  for (const name of names) {
    const image = images[name];
    if (!image) throw new Error(`no image ${name}`);
    const file = join(cluster.home, `${name}.tar`);
    const programs = await Promise.all(
      (image.programs ?? []).map((each) => programEntries(each, each.slice(1))),
    );
    const scripts = Object.entries(image.scripts).map(
      ([at, text]): TarEntry => ({ path: at, mode: 0o755, content: Buffer.from(text) }),
    );
    writeImageArchive(file, {
      names: image.names.map(fullImageName),
      config: image.config,
      files: withoutDoubles([...busybox, ...programs.flat(), ...scripts]),
    });
    archives.push(file);
  }
  await cluster.wherry('image', 'load', '--name', cluster.name, ...archives);
}

/** A later file takes the place of an earlier one, as /usr/bin/nslookup beside busybox's. */
function withoutDoubles(entries: readonly TarEntry[]): TarEntry[] {
  return [...new Map(entries.map((entry) => [entry.path, entry])).values()];
}
