/** Runs workloads by their names on the command line, all where none is named, and prints a line of JSON for each. */
export async function runNamed<Workload>(
  names: readonly string[],
  workloads: Record<string, Workload>,
  run: (workload: Workload) => Promise<object>,
): Promise<void> {
  for (const name of names.length > 0 ? names : Object.keys(workloads)) {
    const workload = Object.hasOwn(workloads, name) ? workloads[name] : undefined;
    if (!workload)
      throw new Error(`there is no workload ${name}; there are ${Object.keys(workloads).join(', ')}`);
    console.log(JSON.stringify({ workload: name, ...(await run(workload)) }));
  }
}
