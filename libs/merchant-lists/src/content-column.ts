/** The column that the content's encryption is bound to: moved to another one it would not open. */
export const CONTENT_COLUMN = 'list content';
