export {
  type BillEntry,
  type BookEntry,
  type Discrepancy,
  type DiscrepancyClass,
  type EntryKind,
  type Matched,
  type MatchRules,
  matchBooks,
} from './match-books.ts';
