/** A map by id whose items are also found by their pod, whose uid is among their labels. */

const podUid = 'io.kubernetes.pod.uid';

interface Labelled {
  status: { labels: Record<string, string> };
}

export class ItemsByPod<Item extends Labelled> extends Map<string, Item> {
  readonly #byPod = new Map<string, Map<string, Item>>();

  /** The items that may match a selector: those of the pod that it names, or all. */
  candidates(selector: Record<string, string> | undefined): Iterable<Item> {
    const uid = selector?.[podUid];
    return uid === undefined ? this.values() : (this.#byPod.get(uid)?.values() ?? []);
  }

  override set(id: string, item: Item): this {
    const uid = item.status.labels[podUid];
    if (uid !== undefined) {
      const items = this.#byPod.get(uid);
      if (items) items.set(id, item);
      else this.#byPod.set(uid, new Map([[id, item]]));
    }
    return super.set(id, item);
  }

  override delete(id: string): boolean {
    const uid = this.get(id)?.status.labels[podUid];
    const items = uid === undefined ? undefined : this.#byPod.get(uid);
    items?.delete(id);
    if (items?.size === 0) this.#byPod.delete(uid!);
    return super.delete(id);
  }
}
