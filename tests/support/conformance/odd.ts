/** Unusual keys, which some table types cannot store. */
export const oddKeys = {
  "empty": "",
  "with a space": "a b",
  "with a space before": " a",
  "with a space behind": "a ",
  "with a tab": "a\tb",
  "quoted": '"a b"',
  "a tab in quotes": '"a\tb"',
  "one quote": 'a"b',
  "escaped quote": 'a\\"b',
  "with a backslash": "a\\b",
  "with a newline": "a\nb",
  "with a carriage return": "a\rb",
  "with a null byte": "a\0b",
  "with an escape": "a\x1bb",
  "a comment": "#a",
  "an option": "-q",
  "a dash": "-",
  "with a colon": "a:b",
  "an assignment": "a=b",
  "in braces": "{a}",
  "a comma": "a,b",
  "a dollar": "$a",
  "a percent": "%s",
  "300 bytes": "k".repeat(300),
  "300 bytes of UTF-8": "é".repeat(150),
  "beyond 16 bits": "😀",
  "a byte order mark": "\ufeffa",
  "no text": "\ud800",
};

/** Unusual values, which some table types cannot store. */
export const oddValues = {
  "empty": "",
  "with a space before": " v",
  "with a space behind": "v ",
  "with a tab": "v\tw",
  "with a newline": "v\nw",
  "with a carriage return": "v\r",
  "a reply": "v\r\nEND\r\n",
  "UTF-8": "käse 😀",
  "quoted": '"v',
  "a comment": "# v",
  "5000 bytes": "v".repeat(5000),
  "no text": "\ud800",
};

/** The name of an unusual key. */
export type OddKey = keyof typeof oddKeys;
/** The name of an unusual value. */
export type OddValue = keyof typeof oddValues;
