/** Cases that do not agree yet. The test fails when another one stops to agree, and when one of these begins to. */
export const openCases: ReadonlySet<string> = new Set<string>([]);
