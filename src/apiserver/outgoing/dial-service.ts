/** How the API server, which has no place in the cluster's network, reaches what services stand for. */
import type { Duplex } from 'node:stream';

/** A connection to a port of a Service, made from where its endpoints can be reached. */
export type DialService = (namespace: string, name: string, port: number) => Promise<Duplex>;
