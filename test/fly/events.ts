import { END_OF_EVENTS } from './exchange.js';
import { misfits, type Shape } from './shape.js';

interface Envelope {
  readonly event: string;
  readonly version: string;
  readonly data: unknown;
}

/** Events that `fly` knows, the major version of each, and the shape of its data by the event's name in `shapes.json`. */
const MAJOR: Readonly<Record<string, string>> = {
  status: '1',
  log: '5',
  error: '4',
  'initialize-task': '4',
  'start-task': '5',
  'finish-task': '4',
  'initialize-get': '2',
  'start-get': '1',
  'finish-get': '5',
  'initialize-put': '2',
  'start-put': '1',
  'finish-put': '5',
  'initialize-check': '1',
  initialize: '1',
  start: '1',
  finish: '1',
  'set-pipeline-changed': '1',
  'selected-worker': '1',
  'waiting-for-worker': '1',
  'streaming-volume': '1',
  'waiting-for-streamed-volume': '1',
  'image-check': '1',
  'image-get': '1',
  'across-substeps': '1',
};

/** What is wrong with a stream of events for a client that reads it strictly, and the names of its events in their order. */
export function readEvents(
  text: string,
  shapes: Readonly<Record<string, Shape>>,
): { readonly names: readonly string[]; readonly wrong: readonly string[] } {
  const end = END_OF_EVENTS.exec(text);
  if (!end) return { names: [], wrong: ['the stream has no end with a data line'] };
  const frames = text
    .slice(0, end.index + end[0].length)
    .split('\n\n')
    .filter((frame) => frame !== '' && !frame.startsWith(':'));
  const names: string[] = [];
  const wrong = frames.flatMap((frame, at) => {
    const [, id, kind, data] = /^id: (\d+)\nevent: (event|end)\ndata: ?(.*)$/.exec(frame) ?? [];
    if (id !== String(at)) return [`frame ${at} is not one, or not in order: ${frame}`];
    if (kind === 'end') return at === frames.length - 1 ? [] : [`frame ${at} ends the stream, and more come`];
    const envelope = JSON.parse(data ?? '') as Envelope;
    names.push(envelope.event);
    return wrongIn(envelope, shapes).map((words) => `frame ${at}: ${words}`);
  });
  return { names, wrong };
}

function wrongIn(envelope: Envelope, shapes: Readonly<Record<string, Shape>>): readonly string[] {
  const { event, version, data } = envelope;
  const bad = misfits(envelope, 'Envelope', shapes, 'the envelope');
  if (bad.length > 0) return bad;
  const major = MAJOR[event];
  if (major === undefined) return [`there is no event "${event}"`];
  if (version.split('.')[0] !== major) return [`version ${version} of "${event}" is not one of ${major}.x`];
  return misfits(data, `event ${event}`, shapes, event);
}
