/** The manifests of the tutorial "in action", in a shorter form. */

export const pod = (name: string, metadata = '', spec = '') => `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  ${metadata}
spec:
  ${spec}
  containers:
  - image: taodaling/kubia
    name: kubia
    ports: [{containerPort: 8080, protocol: TCP}]
`;

/** With a fast probe and a short grace period, to keep the test short. */
export const unhealthy = `
apiVersion: v1
kind: Pod
metadata: {name: kubia-liveness}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - image: luksa/kubia-unhealthy
    name: kubia
    livenessProbe: {periodSeconds: 1, httpGet: {path: /, port: 8080}}
`;

export const controller = `
apiVersion: v1
kind: ReplicationController
metadata: {name: kubia}
spec:
  replicas: 3
  selector: {app: kubia}
  template:
    metadata: {labels: {app: kubia}}
    spec:
      containers: [{name: kubia, image: taodaling/kubia, ports: [{containerPort: 8080}]}]
`;

export const services = `
apiVersion: v1
kind: Service
metadata: {name: kubia}
spec:
  ports: [{port: 80, targetPort: 8080}]
  selector: {app: kubia}
---
apiVersion: v1
kind: Service
metadata: {name: kubia-nodeport}
spec:
  type: NodePort
  ports: [{port: 80, targetPort: 8080, nodePort: 30123}]
  selector: {app: kubia}
---
apiVersion: v1
kind: Service
metadata: {name: external-service}
spec:
  ports: [{port: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: external-service}
subsets:
  - addresses: [{ip: 11.11.11.11}, {ip: 22.22.22.22}]
    ports: [{port: 80}]
`;

/** With rules that `only` and `paths` give. */
export const ingress = (rules: string, more = '') => `
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: kubia}
spec:
  ${more}
  rules:
${rules}`;

/** A rule for a host whose pages all are of one service. */
export const only = (host: string, service: string) => paths(host, { '/': service });

/** A rule for a host whose paths lead to services. */
export const paths = (host: string, services: Record<string, string>) => `
  - host: ${host}
    http:
      paths:
${Object.entries(services)
  .map(([path, name]) => `      - {path: ${path}, backend: {serviceName: ${name}, servicePort: 80}}\n`)
  .join('')}`;

export const fooAndBar = ['kubia', 'bar']
  .map(
    (app) => `
apiVersion: v1
kind: Service
metadata: {name: ${app === 'kubia' ? 'foo' : app}}
spec:
  ports: [{port: 80, targetPort: 8080}]
  selector: {app: ${app}}
`,
  )
  .join('---');

export const ssdMonitor = `
apiVersion: apps/v1beta2
kind: DaemonSet
metadata: {name: ssd-monitor}
spec:
  selector: {matchLabels: {app: ssd-monitor}}
  template:
    metadata: {labels: {app: ssd-monitor}}
    spec:
      nodeSelector: {dist: ssd}
      containers: [{name: main, image: luksa/ssd-monitor}]
`;

export const jobs = ['batch-job', 'batch-job-more']
  .map(
    (name) => `
apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec:
  ${name === 'batch-job' ? '' : 'completions: 5\n  parallelism: 3'}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      restartPolicy: OnFailure
      containers: [{name: main, image: luksa/batch-job}]
`,
  )
  .join('---');

export const fortune = `
apiVersion: v1
kind: Pod
metadata: {name: fortune}
spec:
  containers:
  - {image: luksa/fortune, name: html-generator, volumeMounts: [{name: html, mountPath: /var/htdocs}]}
  - image: nginx:alpine
    name: web-server
    volumeMounts: [{name: html, mountPath: /usr/share/nginx/html, readOnly: true}]
    ports: [{containerPort: 80, protocol: TCP}]
  volumes: [{name: html, emptyDir: {}}]
`;

export const gitRepo = (repository: string) => `
apiVersion: v1
kind: Pod
metadata: {name: gitrepo-volume-pod}
spec:
  containers:
  - image: nginx:alpine
    name: web-server
    volumeMounts: [{name: html, mountPath: /usr/share/nginx/html, readOnly: true}]
    ports: [{containerPort: 80, protocol: TCP}]
  volumes: [{name: html, gitRepo: {repository: '${repository}', revision: master, directory: .}}]
`;

export const volume = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: mongodb-pv}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce, ReadOnlyMany]
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: /var/lib/wherry/tutorial/mongodb, type: DirectoryOrCreate}
`;

export const claim = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: mongodb-pvc}
spec:
  resources: {requests: {storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  storageClassName: ""
`;

/** busybox stands for the tutorial's database: what counts is where the data is. */
export const database = `
apiVersion: v1
kind: Pod
metadata: {name: mongodb}
spec:
  containers:
  - image: busybox
    name: mongodb
    command: [sh, -c, 'trap "exit 0" TERM; sleep 3600 & wait']
    volumeMounts: [{name: mongodb-data, mountPath: /data/db}]
  volumes: [{name: mongodb-data, persistentVolumeClaim: {claimName: mongodb-pvc}}]
`;

export const provisioned = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: k8s.io/minikube-hostpath
parameters: {type: pd-ssd}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: mongodb-pvc-fast}
spec:
  storageClassName: fast
  resources: {requests: {storage: 100Mi}}
  accessModes: [ReadWriteOnce]
`;

export const configured = `
apiVersion: v1
kind: Pod
metadata: {name: configured}
spec:
  volumes: [{name: config, configMap: {name: fortune-config}}]
  containers:
  - image: busybox
    name: main
    command: [sh, -c, 'trap "exit 0" TERM; echo $INTERVAL $FOO_SECRET; sleep 3600 & wait']
    env:
    - {name: INTERVAL, valueFrom: {configMapKeyRef: {name: fortune-config, key: sleep-interval}}}
    - {name: FOO_SECRET, valueFrom: {secretKeyRef: {name: fortune-https, key: foo}}}
    volumeMounts: [{name: config, mountPath: /config}]
`;

export const busy = (name: string, resources: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  containers:
  - image: busybox
    name: main
    command: [sh, -c, 'trap "exit 0" TERM; sleep 3600 & wait']
    resources: {${resources}}
`;

export const limits = `
apiVersion: v1
kind: LimitRange
metadata: {name: example}
spec:
  limits:
  - type: Container
    defaultRequest: {cpu: 100m, memory: 10Mi}
    default: {cpu: 200m, memory: 100Mi}
    min: {cpu: 50m, memory: 5Mi}
    max: {cpu: 1, memory: 1Gi}
`;

export const quota = `
apiVersion: v1
kind: ResourceQuota
metadata: {name: cpu-add-mem}
spec:
  hard: {requests.cpu: 400m, requests.memory: 200Mi, limits.cpu: 600m, limits.memory: 500Mi}
`;
