import { contractOf } from './contract-world.ts';

// A file of its own: two run at the same time.
contractOf({ merchant: 'direct', keys: 'certificates', codePayments: 'v3' });
contractOf({ merchant: 'provider', keys: 'public_key', codePayments: 'v2' });
