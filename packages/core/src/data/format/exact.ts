/** The metadata of a Parquet file with the digits that its doubles do not have, as `{column: {row: digits}}`, rows from 0. */
export const exactKey = 'osa.exact';
