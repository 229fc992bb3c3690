/** Works that are begun in one turn of the event loop. */
const mostPerTurn = 8;

/** Begins works in the order in which they came, a few in each turn of the event loop. */
export function createBackground(): (work: () => void) => void {
  const waiting: (() => void)[] = [];
  let isScheduled = false;
  const schedule = () => {
    if (isScheduled || waiting.length === 0) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      const works = waiting.splice(0, mostPerTurn);
      schedule();
      for (const work of works) work();
    });
  };
  return (work) => {
    waiting.push(work);
    schedule();
  };
}
