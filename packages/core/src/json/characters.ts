/** The UTF-16 codes of the characters that JSON gives a meaning. */
export const [TAB, LINE_FEED, CARRIAGE_RETURN, SPACE] = [0x09, 0x0a, 0x0d, 0x20] as const;
export const [QUOTE, PLUS, COMMA, MINUS, DOT, COLON, BACKSLASH] = [
  0x22, 0x2b, 0x2c, 0x2d, 0x2e, 0x3a, 0x5c,
] as const;
export const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d] as const;
export const [ZERO, NINE, LOWER_E, LOWER_F, LOWER_N, LOWER_T] = [0x30, 0x39, 0x65, 0x66, 0x6e, 0x74] as const;
/** Set in the code of a letter, it makes it lower case. */
export const LOWER_CASE = 0x20;
