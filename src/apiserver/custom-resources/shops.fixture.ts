/** A custom resource of two versions, for tests of what each of them says. */
import type { TestServer } from '../server.fixture.ts';

/** Resolves when both are served; returns the path of a version's objects. */
export async function serveShops(
  server: TestServer,
  versions: readonly object[],
): Promise<(version: string) => string> {
  await server.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: 'shops.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Cluster',
      names: { plural: 'shops', singular: 'shop', kind: 'Shop', listKind: 'ShopList' },
      versions,
    },
  });
  const shops = (version: string) => `/apis/example.com/${version}/shops`;
  await server.clock.advanceUntil(async () => (await server.ask('GET', shops('v2'))).status === 200);
  return shops;
}
