import { Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';

// Everything that a payer's browser gets from us. No script and no style but what stands here: the policy names the one nonce.

/** A page: the nonce that its own script and style carry, and its text. */
export type Page = { readonly status: number; readonly nonce: string; readonly html: string };

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);

const STYLE = `:root{color-scheme:light dark;font:17px/1.5 system-ui,sans-serif}body{margin:0 auto;max-width:26rem;padding:2rem 1.25rem;text-align:center}
h1{font-size:1rem;font-weight:500;margin:0;overflow-wrap:anywhere}output{display:block;font-size:2.4rem;font-weight:600;margin:.5rem 0 1.5rem}
a,button{display:block;width:100%;box-sizing:border-box;margin:.75rem 0;padding:.9rem;border:0;border-radius:.6rem;background:#0a6cff;color:#fff;font:inherit;text-decoration:none}
p{margin:1rem 0}small{opacity:.7}`;

const page = (status: number, nonce: string, title: string, body: string, script = ''): Page => ({
  status,
  nonce,
  html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer"><title>${escaped(title)}</title><style nonce="${nonce}">${STYLE}</style></head>
<body><main>${body}</main>${script === '' ? '' : `<script nonce="${nonce}">${script}</script>`}</body></html>`,
});

/** What is paid, as a payer reads it. */
export type Bill = { readonly subject: string; readonly amount: string };

const head = ({ subject, amount }: Bill): string => `<h1>${escaped(subject)}</h1><output>${escaped(amount)}</output>`;

/** A few words and nothing to do. */
export const wordsPage = (status: number, nonce: string, title: string, words: string, bill?: Bill): Page =>
  page(status, nonce, title, `${bill === undefined ? '' : head(bill)}<p id="state">${escaped(words)}</p>`);

/** For a browser that is no wallet: where to open the address. @param url of the code itself. */
export const choicePage = (nonce: string, bill: Bill, url: string): Page => {
  const inAlipay = `alipays://platformapi/startapp?appId=20000067&url=${encodeURIComponent(url)}`;
  return page(
    200,
    nonce,
    'Pay',
    `${head(bill)}<a id="alipay" href="${escaped(inAlipay)}">Open in Alipay</a>
<p>Or scan the code with WeChat, Alipay or UnionPay.</p><p><small>This page cannot take a payment by itself.</small></p>`,
  );
};

/** JSON that may stand inside a script. */
const inScript = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

// What the wallet's own bridge says decides nothing: the page asks us how the payment stands.
const WATCH = `const say=t=>{document.getElementById('state').textContent=t};
const watch=async()=>{for(let i=0;i<150;i++){try{const r=await fetch(location.pathname.replace(/\\/back$/,'')+'/state',{cache:'no-store'});
const {state}=await r.json();if(state==='succeeded'){say('Paid. Thank you.');document.getElementById('pay').hidden=true;return}
if(state==='closed'||state==='failed'){say('Not paid: this code is closed.');document.getElementById('pay').hidden=true;return}}catch{}
await new Promise(d=>setTimeout(d,i<20?500:2000))}};`;

const BRIDGES: ReadonlyMap<Wallet, string> = new Map([
  [
    Wallet.WECHAT,
    `const pay=()=>{const call=()=>WeixinJSBridge.invoke('getBrandWCPayRequest',parameters,()=>{});
if(typeof WeixinJSBridge==='undefined')document.addEventListener('WeixinJSBridgeReady',call,{once:true});else call()};`,
  ],
  [
    Wallet.ALIPAY,
    `const pay=()=>{const call=()=>AlipayJSBridge.call('tradePay',parameters,()=>{});
if(typeof AlipayJSBridge==='undefined')document.addEventListener('AlipayJSBridgeReady',call,{once:true});else call()};`,
  ],
]);

/** Hands a payment to the wallet's bridge and says how it ends; undefined for a wallet without one. */
export const payPage = (
  nonce: string,
  bill: Bill,
  wallet: Wallet,
  parameters: Readonly<Record<string, string>>,
): Page | undefined => {
  const bridge = BRIDGES.get(wallet);
  if (bridge === undefined) return undefined;
  return page(
    200,
    nonce,
    'Pay',
    `${head(bill)}<button id="pay">Pay</button><p id="state">Confirm in your wallet.</p>`,
    `const parameters=${inScript(parameters)};${WATCH}${bridge}document.getElementById('pay').addEventListener('click',pay);pay();watch();`,
  );
};
