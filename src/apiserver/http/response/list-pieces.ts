/** Long lists in pieces: no turn of the event loop is spent on the whole, and nothing is copied together. */
import { encodeListPieces, encodeMessage } from '../../../api/protobuf/envelope.ts';
import { asJsonObject } from '../../../api/schema/decode.ts';
import { startTimeSlices, type TimeSlices } from '../../../base/async/time-slices.ts';
import { viewOf } from '../../registry/conversion/conversion.ts';
import { partialMetadata } from '../../tables/table.ts';
import type { CachedObject } from '../../watch-cache/cached-object.ts';
import {
  type EncodeContext,
  type Encoded,
  encodeInTurn,
  encodeList,
  type ListResponse,
  listMetadata,
} from './encode.ts';
import { contentTypes } from './negotiate.ts';
import { indentJson } from './pretty.ts';

/** Lists up to this length are answered whole. */
export const wholeItemsMax = 500;

/** What is encoded at a time: whichever comes first. */
const sliceItemsMax = 50;
const sliceBytesMax = 128 * 1024;
/** The pieces in the order in which they are written. */
const pieceBytesMin = 128 * 1024;

export interface ListPieces {
  contentType: string;
  pieces: AsyncIterable<Uint8Array>;
}

/** The bytes that {@link encodeList} would give; JSON is indented when `pretty`. */
export function listPieces(
  response: ListResponse,
  context: EncodeContext,
  { pretty }: { pretty: boolean },
): ListPieces {
  const slices = startTimeSlices();
  const empty = encodeList({ ...response, items: [] }, context);
  const { contentType } = empty;
  const parts =
    contentType === contentTypes.protobuf
      ? protobufParts(response, context, slices)
      : textParts(response, context, frameOf(empty, { pretty: pretty && contentType === contentTypes.json }));
  return { contentType, pieces: inLargerPieces(parts, slices) };
}

async function* inLargerPieces(
  parts: AsyncIterable<Uint8Array>,
  slices: TimeSlices,
): AsyncGenerator<Uint8Array, void, undefined> {
  let waiting: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of parts) {
    waiting.push(part);
    sizeBytes += part.length;
    if (sizeBytes >= pieceBytesMin) {
      yield Buffer.concat(waiting, sizeBytes);
      waiting = [];
      sizeBytes = 0;
    }
    const pause = slices.yieldIfDue();
    if (pause) await pause;
  }
  yield Buffer.concat(waiting, sizeBytes);
}

/** The length of the whole comes first: all messages are made before anything is sent. */
async function* protobufParts(
  response: ListResponse,
  { format: { as, asVersion } }: EncodeContext,
  slices: TimeSlices,
): AsyncGenerator<Uint8Array> {
  const { resource, items } = response;
  const messages: Uint8Array[] = [];
  for (const item of items) {
    const view = viewOf(resource, item);
    const shown = as ? partialMetadata(view, asVersion) : view;
    messages.push(encodeMessage(as ? partialSchema : resource.schema, asJsonObject(shown)));
    const pause = slices.yieldIfDue();
    if (pause) await pause;
  }
  const apiVersion = as ? `meta.k8s.io/${asVersion}` : resource.apiVersion;
  const kind = as ? 'PartialObjectMetadataList' : `${resource.kind}List`;
  yield* encodeListPieces(apiVersion, kind, listMetadata(response), messages);
}

const partialSchema = 'io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata';

/** Each slice is encoded as a separate list, from which the parts around the items are removed. */
async function* textParts(
  response: ListResponse,
  context: EncodeContext,
  { open, strip, separator, close }: Frame,
): AsyncGenerator<Uint8Array> {
  yield open;
  let isFirst = true;
  for (const items of slices(response.items)) {
    if (!isFirst) yield separator;
    isFirst = false;
    const { body } = await encodeInTurn(context, (asked) => encodeList({ ...response, items }, asked));
    yield strip(body);
  }
  yield close;
}

interface Frame {
  /** What comes before the first item. */
  open: Buffer;
  /** The items of a whole list's text. */
  strip(body: Buffer): Buffer;
  separator: Buffer;
  close: Buffer;
}

/** The parts around the items, from an empty list. */
function frameOf({ contentType, body }: Encoded, { pretty }: { pretty: boolean }): Frame {
  if (contentType === contentTypes.yaml) {
    const none = '\nitems: []\n';
    const at = body.indexOf(none);
    const open = Buffer.concat([body.subarray(0, at), Buffer.from('\nitems:\n')]);
    const close = body.subarray(at + none.length);
    const strip = (whole: Buffer) => whole.subarray(open.length, whole.length - close.length);
    return { open, strip, separator: Buffer.alloc(0), close };
  }
  const close = body.subarray(body.lastIndexOf(']'));
  const open = body.subarray(0, body.length - close.length);
  const strip = (whole: Buffer) => whole.subarray(open.length, whole.length - close.length);
  if (!pretty) return { open, strip, separator: Buffer.from(','), close };
  const prettyOpen = indentJson(body.toString()).replace(/\]\n\}$/, '');
  return {
    open: Buffer.from(prettyOpen),
    strip: (whole) => Buffer.from(indentedItems(strip(whole).toString())),
    separator: Buffer.from(','),
    close: Buffer.from('\n  ]\n}'),
  };
}

/** Items as they stand two levels deep. */
function indentedItems(text: string): string {
  return indentJson(`[[${text}]]`).slice('[\n  ['.length, -'\n  ]\n]'.length);
}

function* slices(items: readonly CachedObject[]): Generator<CachedObject[]> {
  let slice: CachedObject[] = [];
  let sizeBytes = 0;
  for (const item of items) {
    slice.push(item);
    sizeBytes += item.sizeBytes;
    if (slice.length < sliceItemsMax && sizeBytes < sliceBytesMax) continue;
    yield slice;
    slice = [];
    sizeBytes = 0;
  }
  if (slice.length > 0) yield slice;
}
