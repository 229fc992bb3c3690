import type { Model } from './model.ts';
import type { State } from './state.ts';
import type { Report } from './violations.ts';

/** A deposition is published once, by one decision, and its state, its record and the decision are one. */
export function checkDepositions(state: State, model: Model, report: Report): void {
  const known = new Map(model.deposits.map((deposit) => [deposit.id, deposit]));
  const reviews = Map.groupBy(state.reviews, ({ deposition }) => deposition);
  for (const { id, status, published, is_private } of state.depositions) {
    const sent = known.get(id);
    const decisions = reviews.get(id) ?? [];
    const approved = decisions.filter(({ decision }) => decision === 'approved').length;
    if (published > 1) report('I6', `deposition ${id} is published ${published} times`, 'duplicated');
    if (published !== approved)
      report('I6', `deposition ${id} is published ${published} times, and approved ${approved} times`);
    if ((status === 'accepted') !== (published === 1))
      report('I6', `deposition ${id} is ${status}, and published ${published} times`, 'lost');
    if (is_private === (status === 'accepted'))
      report('I6', `deposition ${id} is ${status}, and private: ${is_private}`);
    if (sent?.ackedAt === undefined) continue;
    if (status === 'in_validation' || status === 'in_review')
      report('I12', `deposition ${id} is ${status} in the end`, 'lost');
    if (sent.decisions.length > 1)
      report('I9', `deposition ${id} was decided by ${sent.decisions.join(' and ')}`, 'duplicated');
    if (sent.decisions.includes('approve') && status !== 'accepted')
      report('I9', `deposition ${id} was approved and is ${status}`, 'lost');
    if (sent.decisions.length === 1 && !sent.decisions.includes('approve') && status !== 'draft')
      report('I9', `deposition ${id}: ${sent.decisions[0]} was answered, and it is ${status}`, 'lost');
  }
  for (const { id, ackedAt } of model.deposits) {
    const isStored = state.depositions.some((one) => one.id === id);
    if (ackedAt !== undefined && !isStored) report('I9', `deposition ${id} is gone`, 'lost');
  }
  if (state.depositions.length > model.deposits.length)
    report('I9', `${state.depositions.length} depositions of ${model.deposits.length} sent`, 'duplicated');
  if (state.held > 0) report('I14', `${state.held} answers are held, and nothing is in review`);
}
