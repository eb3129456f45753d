// A caller without our libraries: @grpc/grpc-js, @bufbuild/protobuf, and what buf generates from proto/ (here @tillmesh/proto).
// node examples/src/plain-grpc-js.ts <address> <payment code> <merchant order number>

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { ErrorInfoSchema } from '@tillmesh/proto/google/rpc/error_details_pb.ts';
import { StatusSchema } from '@tillmesh/proto/google/rpc/status_pb.ts';
import {
  CreatePaymentRequestSchema,
  type CreatePaymentResponse,
  CreatePaymentResponseSchema,
} from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind, PaymentStateSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';

const [address = '', paymentCode = '', merchantOrderNo = ''] = process.argv.slice(2);
const client = new Client(address, credentials.createInsecure());

const headers = new Metadata();
headers.set('tillmesh-caller', 'my-till');
headers.set('tillmesh-priority', 'payment'); // Or refund, query, list; a call without counts as list.
// headers.set('traceparent', …) where the caller traces: the payment's spans then join its trace.

const createPayment = (): Promise<CreatePaymentResponse> =>
  new Promise((resolve, reject) => {
    const request = create(CreatePaymentRequestSchema, {
      merchantId: 'demo-cafe',
      merchantOrderNo,
      amount: { currency: 'CNY', minorUnits: 1_230n },
      kind: PaymentKind.PAYMENT_CODE,
      subject: 'Coffee and cake',
      paymentCode,
    });
    client.makeUnaryRequest(
      '/tillmesh.cashier.v1.CashierService/CreatePayment',
      (message: typeof request) => Buffer.from(toBinary(CreatePaymentRequestSchema, message)),
      (bytes) => fromBinary(CreatePaymentResponseSchema, bytes),
      request,
      headers,
      { deadline: Date.now() + 40_000 },
      (error, answer) => (answer === undefined ? reject(error ?? new Error('no answer')) : resolve(answer)),
    );
  });

/** The stable reason of an error; undefined where the transport ended the call and nobody knows what came of it. */
const reasonOf = (error: ServiceError): string | undefined => {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const details = Buffer.isBuffer(bytes) ? fromBinary(StatusSchema, bytes).details : [];
  return details.map((detail) => anyUnpack(detail, ErrorInfoSchema)).find((info) => info !== undefined)?.reason;
};

try {
  const { payment } = await createPayment();
  console.log(payment?.orderNo, PaymentStateSchema.value[payment?.state ?? 0]?.localName);
} catch (error) {
  console.log('refused:', reasonOf(error as ServiceError) ?? 'unknown: repeat with the same merchant order number');
  process.exitCode = 1;
}
client.close();
