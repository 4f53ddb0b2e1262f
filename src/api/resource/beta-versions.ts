/** Since when the beta versions of this group are on their way out. */
import type { Deprecation } from '../kinds/kind.ts';

export const firstBetaDeprecation: Deprecation = { since: '1.35', removedIn: '1.38' };
export const secondBetaDeprecation: Deprecation = { since: '1.36', removedIn: '1.39' };
