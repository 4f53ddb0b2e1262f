/** `/version`: which version of Kubernetes the server is. */
import { versionInfo } from '../../api/component-base/version-info.ts';
import type { ApiResponse } from '../request.ts';

/** Indented JSON whatever the client asks for: as upstream does with this path alone. */
export function serveVersion(): ApiResponse {
  const body = JSON.stringify(versionInfo(), null, 2);
  return { type: 'raw', status: 200, contentType: 'application/json', body };
}
