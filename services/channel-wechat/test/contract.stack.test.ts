import { contractOf } from './contract-world.ts';

contractOf({ merchant: 'direct', keys: 'public_key', codePayments: 'v2' });
contractOf({ merchant: 'provider', keys: 'certificates', codePayments: 'v3' });
