/** Does `work` for 0 to `count` - 1, `atOnceMax` of them at a time. */
export async function inParallel(
  count: number,
  atOnceMax: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnceMax }, worker));
}
