/**
 * The limits on input from outside: requests, files, records, outputs, contracts, pages. Sizes are bytes and times are
 * milliseconds unless the name says otherwise. If an operator may change a limit, the daemon has a setting for it, whose
 * default is here. Limits of a single mechanism, such as the wait for a lock, are defined next to that mechanism.
 */
export const bounds = {
  /** A JSON request body. */
  requestBytes: 4 * 1024 * 1024,
  /** Values in a JSON request body: parsing and checking so many takes some 100 ms. */
  requestValues: 50_000,
  /** One upload of records (NDJSON). */
  uploadBytes: 4 * 1024 * 1024 * 1024,
  /** One blob: a packed hook directory. */
  blobBytes: 64 * 1024 * 1024,
  /** Blobs checked at a time; each is in memory completely. */
  blobChecks: 2,
  /** One file of a record, and the files of one. */
  fileBytes: 64 * 1024 * 1024 * 1024,
  filesPerRecord: 1_000,
  /** Drafts of one person. */
  drafts: 1_000,
  /** Submissions of one person that are in validation at once, and those of a day. */
  openSubmissions: 20,
  submissionsPerDay: 500,
  /** Drafts that one person deletes on a day: a row of each stays. */
  deletionsPerDay: 1_000,
  /** A file that comes in a form, which cannot go on where it broke off. */
  formFileBytes: 1024 * 1024 * 1024,
  /** A workbook with the metadata of one record. */
  sheetBytes: 2 * 1024 * 1024,
  /** Files that are asked for at once. */
  askedFiles: 1_000,
  /** Files in a packed hook directory. */
  blobFiles: 10_000,
  /** One `convention.yaml`. */
  manifestBytes: 1024 * 1024,
  /** Files, directories and links of an attempt's output. */
  outputEntries: 10_000,
  /** One line of NDJSON: of an upload or of a hook's output. */
  lineBytes: 1024 * 1024,
  /** Nesting depth of JSON input. */
  jsonDepth: 64,
  /** Characters of one JSON number. */
  numberLength: 400,
  /** UTF-8 bytes of a `source_id`; an index entry of PostgreSQL holds 2,704. */
  sourceIdBytes: 1_000,
  /** Records of a batch, at most and by default. */
  batchRecords: 10_000,
  defaultBatchRecords: 1_000,
  /** Metadata of a batch, which is in memory completely; the record that reaches the limit is the batch's last. */
  batchBytes: 16 * 1024 * 1024,
  /** All output files of one attempt together. */
  outputBytes: 1024 * 1024 * 1024,
  /** Rows that one record may produce, and one batch under one hook. */
  rowsPerRecord: 100_000,
  rowsPerBatch: 5_000_000,
  /** Records that a recompute names one by one. */
  recomputeRecords: 10_000,
  /** Records that a comparison looks at. */
  comparedRecords: 100_000,
  /** Results that one replay names or draws, and runs that wait to be replayed. */
  replayedResults: 1_000,
  openReplayParts: 10_000,
  /** Bytes kept of the start and of the end of an attempt's log. */
  logBytes: 512 * 1024,
  /** Bytes kept of the end of the log of a running attempt. */
  liveLogBytes: 64 * 1024,
  /** Characters of a reason that a hook or person gives. */
  reasonLength: 2_000,
  /** The highest version of a release: an integer of PostgreSQL. */
  releaseVersion: 2 ** 31 - 1,
  /** The highest number of a live change: an integer of PostgreSQL. */
  liveSeq: 2 ** 31 - 1,
  /** Columns of a feature contract, fields of a schema, hooks of a convention. */
  columns: 500,
  fields: 500,
  hooks: 100,
  /** Pulling an image, by default. */
  pullMs: 300_000,
  /** Rows of one page of any list. */
  pageRows: 1_000,
  defaultPageRows: 50,
  /** Characters of a cursor of published data, which holds the values that its page is sorted by. */
  dataCursor: 8_000,
  /** A filter: how deep, how many predicates, values of one `in`; characters of one in a query. */
  filterDepth: 10,
  filterPredicates: 200,
  filterValues: 1_000,
  filterText: 8_000,
  /** Numbers of one Parquet file that no double keeps: their digits are in its metadata. */
  exactNumbers: 100_000,
  /** Columns to sort by, and rows that are sorted. */
  sortKeys: 8,
  sortedRows: 500_000,
  /** The highest cost of a sort that the database may expect, in its own unit. */
  sortCost: 50_000_000,
  /** Releases that one question about their impact chooses, and commits that it names. */
  impactReleases: 1_000,
  impactCommits: 500,
  /** Commits that one recall names. */
  recallCommits: 10_000,
  /** Events of one page, and the longest wait for one. */
  eventPage: 500,
  eventWaitSeconds: 30,
  /** Rows in the trace of one record. */
  tracedRows: 1_000,
  /** Values of one page of published data; the row that reaches the limit is the page's last. */
  pageBytes: 16 * 1024 * 1024,
} as const;
