/** How gRPC turns messages into bytes and back. */
import type { Root } from 'protobufjs';

export interface MessageCodec<Message> {
  serialize: (message: Message) => Buffer;
  deserialize: (bytes: Buffer) => Message;
}

/** The codec of a message type, by the type's name. */
export type CodecOf = <Message>(type: string) => MessageCodec<Message>;

/** Of the message types of a root. Absent fields have their defaults in what is read. */
export function codecsOf(root: Root): CodecOf {
  return <Message>(type: string) => {
    const found = root.lookupType(type);
    return {
      serialize: (message) => Buffer.from(found.encode(found.fromObject(message as object)).finish()),
      deserialize: (bytes) =>
        found.toObject(found.decode(bytes), {
          defaults: true,
          arrays: true,
          objects: true,
          longs: Number,
          enums: String,
        }) as Message,
    };
  };
}
