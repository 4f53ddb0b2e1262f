/**
 * A program that is started without its configuration is only loaded, and ends: its modules are then without their types
 * in the cache (host/processes/module-cache.ts). The program proper spares itself the compiler and the memory that goes
 * with it, 25 MB in each process.
 */

/** The program's argument. `loadMore`: what the program loads later on. */
export async function configFileArgument(
  loadMore: () => Promise<unknown> = () => Promise.resolve(),
): Promise<string> {
  const file = process.argv[2];
  if (file !== undefined) return file;
  await loadMore();
  process.exit(0);
}
