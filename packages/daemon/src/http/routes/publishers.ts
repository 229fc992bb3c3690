import { routes } from '@osa/core/api';
import { TokenFlaw } from '@osa/core/auth/compact';
import { type ExchangeParts, exchange } from '@osa/core/auth/publisher/exchange';
import { addPublisher, listPublishers, removePublisher } from '@osa/core/auth/publisher/manage';
import { asOsaError } from '@osa/core/error';
import type { Store } from '@osa/core/store';
import type { FailedTokens } from '../authenticate.ts';
import { askedFor, type Handlers } from '../mount.ts';

export interface PublisherParts {
  readonly store: Store;
  readonly exchange: ExchangeParts;
  /** Counts refusals, as of other tokens. */
  readonly failed: FailedTokens;
}

type Routes = Pick<Handlers, 'exchangeToken' | 'listPublishers' | 'addPublisher' | 'removePublisher'>;

export function publisherRoutes({ store, exchange: parts, failed }: PublisherParts): Routes {
  return {
    async exchangeToken({ body, request }) {
      try {
        const asked = askedFor(routes.exchangeToken, request);
        return await exchange(store, parts, { token: body.token, request: asked });
      } catch (error) {
        const known = asOsaError(error);
        if (known?.code !== 'invalid_token' && known?.code !== 'access_denied') throw error;
        const reason = known.cause instanceof TokenFlaw ? known.cause.message : 'no publisher is for its job';
        throw failed(error, { address: request.ip, reason: `ID token: ${reason}` });
      }
    },
    listPublishers: ({ caller }) => listPublishers(store, caller().principal),
    addPublisher: ({ writer, body }) => addPublisher(store, writer(), body),
    removePublisher: ({ writer, params }) => removePublisher(store, writer(), params.id),
  };
}
