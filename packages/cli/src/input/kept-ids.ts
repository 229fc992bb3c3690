/** Memory in bytes that is left for ids; several collections may share it. */
export interface Room {
  bytes: number;
}

/** Bytes of an id beside its text, in the map of V8 that has room for twice as many. */
const overhead = 100;

/** Ids that are kept, each with something known of it, to find one that is there twice. */
export class KeptIds<Known> {
  private readonly ids = new Map<string, Known>();
  private readonly room: Room;
  private used = 0;
  private isFull = false;

  constructor(room: Room) {
    this.room = room;
  }

  get count(): number {
    return this.ids.size;
  }

  find(id: string): Known | undefined {
    return this.ids.get(id);
  }

  /** Keeps an id that is not kept yet, until the room is used up. */
  keep(id: string, known: Known): void {
    const bytes = overhead + 2 * id.length;
    this.isFull ||= this.room.bytes < bytes;
    if (this.isFull) return;
    this.room.bytes -= bytes;
    this.used += bytes;
    this.ids.set(id, known);
  }

  /** Gives the room back. */
  clear(): void {
    this.ids.clear();
    this.room.bytes += this.used;
    this.used = 0;
  }
}
