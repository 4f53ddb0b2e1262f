/** Custom metrics of annotated pods beside an adapter that a user has registered: it is asked first. */
import { undefinedIfNotFound } from '../../api/status.ts';
import type { Delegate } from '../handler.ts';
import type { ApiResponse, RequestContext } from '../request.ts';

/** Answers for metrics of pods; undefined when the request is for none. */
export type AnswerForPods = (context: RequestContext) => Promise<ApiResponse> | undefined;

/** What the adapters do not know may be known of pods; if not, their answer stands, as it does when they are away. */
export function besideAdapters(adapters: Delegate, answerForPods: AnswerForPods): Delegate {
  return (context) => {
    const theirs = adapters(context);
    return theirs && answerOrOurs(theirs, () => answerForPods(context));
  };
}

async function answerOrOurs(
  theirs: Promise<ApiResponse> | ApiResponse,
  ask: () => Promise<ApiResponse> | undefined,
): Promise<ApiResponse> {
  const answer = await theirs;
  if (answer.type !== 'stream' || answer.status !== 404) return answer;
  const ours = await ask()?.catch(undefinedIfNotFound);
  if (!ours) return answer;
  answer.body.destroy();
  return ours;
}
