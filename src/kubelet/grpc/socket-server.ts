/**
 * gRPC services on a Unix socket: those by which plugins register and monitoring agents query, and those of plugins in
 * tests.
 */
import { rm } from 'node:fs/promises';
import { type MethodDefinition, type Server, ServerCredentials } from '@grpc/grpc-js';
import type { CodecOf } from './message-codec.ts';

export interface MethodFacts {
  /** `/package.Service/Method`. */
  path: string;
  /** Names of the message types. */
  request: string;
  answer: string;
  /** One request is answered by a stream of messages. */
  streamsAnswers?: boolean;
}

export function methodDefinition(codec: CodecOf, facts: MethodFacts): MethodDefinition<object, object> {
  const request = codec<object>(facts.request);
  const answer = codec<object>(facts.answer);
  return {
    path: facts.path,
    requestStream: false,
    responseStream: facts.streamsAnswers ?? false,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: answer.serialize,
    responseDeserialize: answer.deserialize,
  };
}

/** Replaces the socket of an earlier server. Resolves when the socket can be connected to. */
export async function listenOnSocket(server: Server, socket: string): Promise<void> {
  await rm(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
}
